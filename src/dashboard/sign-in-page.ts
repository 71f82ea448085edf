import { html, NOTHING } from './html.js';
import { type AssetNames, documentOf } from './layout.js';

/** Returns the form that opens the dashboard. @param fault why the last attempt failed */
export function signInPage(assets: AssetNames, fault?: string): string {
  return documentOf({
    title: 'Sign in · pgkeep',
    assets,
    isGood: true,
    className: 'door',
    body: html`<main>
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
        /><button>Sign in</button>
      </form>
      <p class="soft">
        The value of <code>ADMIN_API_TOKEN</code>. The embedded demo keeps it in
        <code>.pgkeep/admin-token</code>.
      </p>
    </main>`,
  });
}
