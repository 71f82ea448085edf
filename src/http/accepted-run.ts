import type { JobRun } from '../jobs/jobs.types.js';
import type { Reply } from './reply.js';

/** What a 202 answers: the run that has begun, and the address where it can be watched. */
export function acceptedRun(reply: Reply, run: JobRun): JobRun {
  reply.header('location', `/admin/jobs/${run.id}`);
  return run;
}
