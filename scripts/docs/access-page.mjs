import { ROLES } from '../../dist/config/settings.js';
import { openApiDocument } from '../../dist/http/openapi-document.js';
import { fillParts, table } from './markdown.mjs';

/** @type {import('./pages.mjs').Page} */
export const accessPage = {
  file: 'docs/access.md',
  render: (current) => fillParts(current, { roles: rolesTable() }),
};

/** Returns which routes each role may use, beside those of the lesser roles. */
function rolesTable() {
  const routes = Object.entries(openApiDocument().paths).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, { security = [] }]) => ({
      route: `\`${method.toUpperCase()} ${path}\``,
      role: security.flatMap(({ bearer = [] }) => bearer)[0],
    })),
  );
  const ofRole = (/** @type {string} */ role) =>
    routes.filter((one) => one.role === role).map(({ route }) => route);
  return table(
    ['role', 'routes, beside those of the roles above'],
    ROLES.map((role) => [`\`${role}\``, ofRole(role).join(', ')]),
  );
}
