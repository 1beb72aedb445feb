// The api: asked with the token that was given, if one was. The token is gone when the tab is closed.

const TOKEN = "sluice-token";

export const token = {
  get: () => sessionStorage.getItem(TOKEN),
  set: (value) => sessionStorage.setItem(TOKEN, value),
  forget: () => sessionStorage.removeItem(TOKEN),
};

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export async function ask(path, { headers = {}, signal } = {}) {
  const bearer = token.get();
  const shown = bearer ? { authorization: `Bearer ${bearer}`, ...headers } : headers;
  const answer = await fetch(path, { headers: shown, signal, cache: "no-store" });
  if (answer.ok || answer.status === 304) return answer;
  const problem = await answer.json().catch(() => ({}));
  throw new Refused(answer.status, problem.detail || `the api answers ${answer.status}`);
}

export const json = async (path, options) => (await ask(path, options)).json();

export function url(path, parameters) {
  const query = new URLSearchParams(parameters).toString();
  return query ? `${path}?${query}` : path;
}

// A value as the one element of a filter: where commas part elements, and blanks around them are none of them.
export const element = (value) => (value ?? "").replace(/[\\,]|^ | $/g, "\\$&");

// A link cannot show a token: what it leads to is fetched, and handed to the browser as a file.
export async function download(path, name) {
  const blob = await (await ask(path)).blob();
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
