// What is looked at, in the page's address: so it can be sent to somebody, and the back button works.

export const DEFAULTS = { tab: "Executive", city: "", currency: "", window: "24h", tz: "UTC" };

export function read() {
  const given = new URLSearchParams(location.search);
  return Object.fromEntries(Object.entries(DEFAULTS).map(([name, value]) => [name, given.get(name) || value]));
}

export function href(changes) {
  const wanted = Object.entries({ ...read(), ...changes }).filter(([name, value]) => value !== DEFAULTS[name]);
  const query = new URLSearchParams(wanted).toString();
  return query ? `/?${query}` : "/";
}

export function go(changes) {
  const url = href(changes);
  if (url !== location.pathname + location.search) history.pushState(null, "", url);
  dispatchEvent(new PopStateEvent("popstate"));
}

// The filters that are set, as the api's parameters.
export function filters(address) {
  return ["city", "currency"].filter((name) => address[name]).map((name) => [name, address[name]]);
}
