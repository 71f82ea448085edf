import { parseGates } from './gates.js';
import type { EnvironmentVariables } from './settings-list.js';
import type { Fault } from './settings-reader.js';
import { DETAIL_LEVELS, type ReadinessSettings } from './settings.js';

const REFRESH_MS = 5000;
/** The kubelet waits 1 s. */
const LONGEST_DEFAULT_TIMEOUT_MS = 800;
const FAILURE_THRESHOLD = 3;

export function toReadinessSettings(variables: EnvironmentVariables): ReadinessSettings {
  return {
    ...paceOf(variables),
    failureThreshold: Number(variables.READINESS_FAILURE_THRESHOLD ?? FAILURE_THRESHOLD),
    details: DETAIL_LEVELS.find((level) => level === variables.READINESS_DETAILS) ?? 'always',
    gates: parseGates(variables.READINESS_GATES ?? ''),
  };
}

export function readinessContradictions(variables: EnvironmentVariables): Fault[] {
  const { refreshMs, timeoutMs } = paceOf(variables);
  if (timeoutMs < refreshMs) return [];
  return [
    {
      subject: 'READINESS_TIMEOUT_MS',
      problem: `must be below READINESS_REFRESH_MS (${refreshMs}), or evaluations overlap; it is ${timeoutMs}`,
    },
  ];
}

/** A deadline that was not set fits the period: half of it leaves time for a second evaluation after a miss. */
function paceOf({
  READINESS_REFRESH_MS: refresh,
  READINESS_TIMEOUT_MS: timeout,
}: EnvironmentVariables): Pick<ReadinessSettings, 'refreshMs' | 'timeoutMs'> {
  const refreshMs = Number(refresh ?? REFRESH_MS);
  const fittingMs = Math.min(LONGEST_DEFAULT_TIMEOUT_MS, Math.floor(refreshMs / 2));
  return { refreshMs, timeoutMs: Number(timeout ?? fittingMs) };
}
