import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { TestingModule } from '@nestjs/testing';
import { InstallService } from '../../src/install/install.service.js';
import { LeaseService } from '../../src/jobs/lease.service.js';
import { openRooms } from '../support/app.js';
import { createDatabase, query } from '../support/clinic.js';
import { startThrowAwayCluster, type ThrowAwayCluster } from '../support/throw-away-cluster.js';

describe('a lease', () => {
  let own: ThrowAwayCluster;
  let url: string;
  let app: TestingModule;
  let leases: LeaseService;

  beforeAll(async () => {
    own = await startThrowAwayCluster();
    url = await createDatabase(own, 'leases');
    app = await openRooms(url);
    await app.get(InstallService).install();
    leases = app.get(LeaseService);
  });
  beforeEach(() => query(url, 'DELETE FROM pgkeep.lease'));
  afterAll(async () => {
    await app.close();
    await own.cluster.destroy();
  });

  const renew = (holder: string, seconds = 30): ReturnType<LeaseService['renew']> =>
    leases.renew('monitor', holder, seconds);

  const end = async (column: 'expires_at' | 'deputy_expires_at'): Promise<void> => {
    await query(url, `UPDATE pgkeep.lease SET ${column} = now() - interval '1 ms'`);
  };

  it('has one leader and one deputy of twenty that ask at the same moment', async () => {
    const holders = Array.from({ length: 20 }, (_, index) => `holder ${index}`);
    await Promise.all(holders.map((holder) => renew(holder)));
    const roles = await Promise.all(holders.map(async (holder) => (await renew(holder)).role));
    expect(roles.toSorted()).toEqual(['deputy', ...Array.from({ length: 18 }, () => 'follower'), 'leader']);
  });

  it('stays with who renews it, and passes to another one with a greater fence when it ends', async () => {
    expect(await renew('a')).toEqual({ role: 'leader', fence: 1n });
    expect(await renew('a')).toEqual({ role: 'leader', fence: 1n });
    expect(await renew('b')).toEqual({ role: 'deputy', fence: 1n });
    expect(await renew('c')).toEqual({ role: 'follower', fence: 1n });
    await end('expires_at');
    expect(await renew('b')).toEqual({ role: 'leader', fence: 2n });
    // The deputy's place is free.
    expect(await renew('a')).toEqual({ role: 'deputy', fence: 2n });
  });

  it('has another deputy when that one stops renewing', async () => {
    await renew('a');
    await renew('b');
    await end('deputy_expires_at');
    expect(await renew('c')).toEqual({ role: 'deputy', fence: 1n });
    expect(await renew('b')).toEqual({ role: 'follower', fence: 1n });
  });

  it('is free immediately when its holder gives it back', async () => {
    await renew('a');
    await renew('a', 0);
    expect(await renew('b')).toEqual({ role: 'leader', fence: 2n });
  });

  it('is a separate one for each name', async () => {
    await renew('a');
    expect(await leases.renew('other', 'b', 30)).toEqual({ role: 'leader', fence: 1n });
  });
});
