// Who asks, where the api wants to know: a token, kept by this tab alone.

import { useState } from "preact/hooks";
import { ask, token } from "./api.mjs";
import { html } from "./markup.mjs";

export function Login({ done }) {
  const [said, setSaid] = useState(token.get() ? "Your token does not count any more." : null);
  const submit = async (event) => {
    event.preventDefault();
    const given = new FormData(event.target).get("token").trim();
    try {
      await ask("/v1/console", { headers: { authorization: `Bearer ${given}` } });
      token.set(given);
      done();
    } catch (error) {
      setSaid(error.status === 401 ? "This token is not known." : error.message);
    }
  };
  return html`<main class="login"><h1>Sluice</h1><form onSubmit=${submit}>
    <label for="token">Token</label><input id="token" name="token" type="password" autocomplete="off" required spellcheck="false"
      aria-describedby="said" aria-invalid=${said ? "true" : "false"} />
    <button>Log in</button><p id="said" role="status">${said}</p></form></main>`;
}
