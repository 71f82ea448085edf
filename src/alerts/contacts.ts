import type { EmergencyContact } from '../config/alert-receivers.js';
import { withoutStop } from '../core/text.js';

/** Codes, and the words of situations that they belong to: the first pair that fits both decides. */
const SITUATIONS: readonly (readonly [code: RegExp, situation: RegExp])[] = [
  [/^(LOGINS|GUARD_|SSL_|DB_PUSH|CERTIFICATE|PASSWORD)/, /secur|breach|attack|intru|unauthori[sz]ed|access/i],
  [/^(DATA_CORRUPT|RESTORE_TEST|BACKUP)/, /corrupt|damage|los[st]|delet|backup|restor|recover/i],
  [/^(MIGRATION|DRIFT|POLICY)/, /migrat|schema|deploy|release/i],
  [/./, /down|outage|unavailab|unreachab|crash|slow|perform|database/i],
];

/** Returns whom to call about an alert, and what to do first; the first contact where no situation fits. */
export function contactOf(code: string, contacts: readonly EmergencyContact[]): string | null {
  for (const [codes, situations] of SITUATIONS) {
    const found = codes.test(code) && contacts.find(({ situation }) => situations.test(situation));
    if (found) return textOf(found);
  }
  return contacts[0] ? textOf(contacts[0]) : null;
}

function textOf({ situation, action, contact }: EmergencyContact): string {
  return `${withoutStop(contact)}. ${situation}: ${action}`;
}
