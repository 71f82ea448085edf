import type { DriftLook, DriftReport } from './drift.types.js';

/** A look as the verb answers it. Pure. */
export function reportOf(look: DriftLook, prisma: DriftReport['prisma']): DriftReport {
  const nothing = { recorded: null, objects: [], appliedSince: [], goneSince: [], prisma };
  if (look.kind === 'not-installed' || look.kind === 'not-recorded') {
    return { ...nothing, verdict: 'unknown', reason: look.kind };
  }
  if (look.kind !== 'compared') {
    return { ...nothing, recorded: look.recorded, verdict: 'unknown', reason: look.kind };
  }
  const { recorded, objects, appliedSince, goneSince } = look;
  const report = { recorded, objects, appliedSince, goneSince, prisma };
  if (appliedSince.length + goneSince.length > 0) {
    return { ...report, verdict: 'unknown', reason: 'migrations-since' };
  }
  return { ...report, verdict: objects.length === 0 ? 'none' : 'drift' };
}
