import type { GrantStmt, Node } from 'libpg-query';
import type { StatementRule } from '../rule.js';

/** What PUBLIC may use by PostgreSQL's defaults. */
const PUBLIC_BY_DEFAULT = new Set<string | undefined>([
  'OBJECT_FUNCTION',
  'OBJECT_PROCEDURE',
  'OBJECT_ROUTINE',
  'OBJECT_LANGUAGE',
  'OBJECT_TYPE',
  'OBJECT_DOMAIN',
]);

export const grantToPublic: StatementRule = {
  id: 'grant-to-public',
  severity: 'warning',
  summary: 'GRANT … TO PUBLIC',
  details: 'Of a right that PUBLIC does not have by default; `USAGE` of a schema is accepted.',
  breaks: 'Every role that can connect has the right, also roles that are created later.',
  instead: 'Name the roles.',
  on: ['GrantStmt', 'AlterDefaultPrivilegesStmt'],
  check: ({ node, index, sql }) => {
    const grant = grantOf(node);
    if (!grant?.is_grant || PUBLIC_BY_DEFAULT.has(grant.objtype)) return [];
    const isPublic = (grant.grantees ?? []).some(
      (role) => 'RoleSpec' in role && role.RoleSpec.roletype === 'ROLESPEC_PUBLIC',
    );
    if (!isPublic || isUsageOfSchema(grant)) return [];
    return [
      {
        index,
        message:
          'GRANT … TO PUBLIC gives the right to every role that can connect, now and later: a backup role, a reporting tool, another application.',
        rewrite: `${sql.replace(/\bPUBLIC\b(?!.*\bPUBLIC\b)/is, '…')}; -- name the roles`,
      },
    ];
  },
};

function grantOf(node: Node): GrantStmt | undefined {
  if ('GrantStmt' in node) return node.GrantStmt;
  return 'AlterDefaultPrivilegesStmt' in node ? node.AlterDefaultPrivilegesStmt.action : undefined;
}

function isUsageOfSchema({ objtype, privileges }: GrantStmt): boolean {
  const names = (privileges ?? []).flatMap((one) => ('AccessPriv' in one ? [one.AccessPriv.priv_name] : []));
  return objtype === 'OBJECT_SCHEMA' && names.length > 0 && names.every((name) => name === 'usage');
}
