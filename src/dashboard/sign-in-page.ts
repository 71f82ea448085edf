import { html, NOTHING } from './html.js';
import { type AssetNames, documentOf } from './layout.js';

/** Returns the form that opens the dashboard. @param fault why the last attempt failed */
export function signInPage(assets: AssetNames, fault?: string): string {
  return documentOf({
    title: 'Sign in · pgkeep',
    assets,
    isGood: true,
    className: 'door',
    body: html`<main data-door>
      <h1>pgkeep</h1>
      <form method="post" action="sign-in">
        ${fault === undefined ? NOTHING : html`<p class="notice critical" id="fault" role="alert">${fault}</p>`}<label
          for="token"
          >Admin token</label
        ><input
          id="token"
          name="token"
          type="password"
          autocomplete="current-password"
          required
          autofocus${fault === undefined ? NOTHING : html` aria-describedby="fault" aria-invalid="true"`}
        /><label for="name">Your name, for the audit log <span class="soft">(optional)</span></label
        ><input id="name" name="name" autocomplete="name" maxlength="200" /><button>Sign in</button>
      </form>
      <p class="soft">
        The token is the value of <code>ADMIN_API_TOKEN</code>. If you came by a link and have signed in
        already: <a href="overview">open the overview</a>.
      </p>
    </main>`,
  });
}
