// The page: what is looked at (the address), what has been heard of it (the stream), and its parts.

import { render } from "preact";
import { useEffect, useMemo, useReducer, useState } from "preact/hooks";
import { DEFAULTS, filters, go, href, read } from "./address.mjs";
import { json, token, url } from "./api.mjs";
import { Drawer } from "./drawer.mjs";
import { knowDecimals } from "./formats.mjs";
import { criticalOf, OpenAlarms } from "./gates.mjs";
import { follow, poll } from "./live.mjs";
import { Login } from "./login.mjs";
import { html } from "./markup.mjs";
import { OtherGates } from "./other_gates.mjs";
import { BadRecords, Pipeline, pipelineTrust } from "./pipeline.mjs";
import { question, Tile, tileTrust, trendQuestion } from "./tiles.mjs";

const WINDOWS = ["15m", "1h", "6h", "24h", "7d", "30d"];
const PIPELINE = "Pipeline";
const POLL_MS = 2_000;
const BAD_MS = 15_000;
const LIST_MS = 30_000;
const SAY_MS = 10_000;
const MOST_HISTORY = 50;
const ZONES = ["UTC", ...Intl.supportedValuesOf("timeZone").filter((zone) => zone !== "UTC")];

const NOBODY = { config: null, error: null };

function Console() {
  const [address, setAddress] = useState(read());
  const [{ config, error }, setSession] = useState(NOBODY);
  const [asks, again] = useReducer((times) => times + 1, 0);
  useEffect(() => {
    const changed = () => setAddress(read());
    addEventListener("popstate", changed);
    return () => removeEventListener("popstate", changed);
  }, []);
  useEffect(() => {
    const aborted = new AbortController();
    setSession(NOBODY);
    poll("/v1/console", LIST_MS, aborted.signal, (found) => found && (knowDecimals(found.decimals), setSession({ config: found, error: null })),
      (failed) => failed && setSession((before) => ({ config: failed.status === 401 ? null : before.config, error: failed })));
    return () => aborted.abort();
  }, [asks]);
  const leave = () => (token.forget(), again());
  if (error?.status === 401) return html`<${Login} done=${again} />`;
  if (!config) return html`<main><h1>${error ? "No answer" : "Loading"}</h1>${error && html`<p role="alert">${error.message}</p>`}</main>`;
  return html`<${Page} key=${asks} config=${config} address=${address} leave=${leave} denied=${again} />`;
}

function Page({ config, address, leave, denied }) {
  const groups = useMemo(() => [...new Set([...config.tiles.map((tile) => tile.group), PIPELINE])], [config]);
  const group = groups.includes(address.tab) ? address.tab : groups[0];
  const views = useMemo(() => new Map(config.views.map((view) => [view.name, view])), [config]);
  const tiles = config.tiles.filter((tile) => tile.group === group && views.has(tile.view));
  const live = useLive(config, tiles, views, address, denied);
  const polled = usePolled(group, tiles.some((tile) => tile.kind === "gates"), config, address);
  const [opened, open] = useState(null);
  const page = { ...live, ...polled, config, views, address, open };
  const shown = { ...address, tab: group };
  useEffect(() => {
    document.title = `${criticalOf(polled.alarms) ? "(!) " : ""}${group} – Sluice`;
  }, [group, polled.alarms]);
  return html`<a class="skip" href="#main">Skip to the numbers</a>
    <${Top} page=${page} groups=${groups} address=${shown} leave=${leave} />
    <${OpenAlarms} alarms=${polled.alarms} now=${live.live.now} />
    <main id="main" tabindex="-1"><h1>${group}</h1>
      <div class="tiles">${group === PIPELINE && html`<${Pipeline} page=${page} />`}
        ${tiles.map((tile) => html`<${Tile} key=${tile.tile} tile=${tile} page=${page} />`)}
        <${OtherGates} tiles=${tiles} page=${page} />
        ${group === PIPELINE && html`<${BadRecords} page=${page} />`}</div></main>
    <${Said} group=${group} tiles=${tiles} page=${page} />
    <footer class="bottom">Sluice ${config.version} · <a href="/docs">the api</a></footer>
    ${opened && html`<${Drawer} page=${page} opened=${opened} close=${() => open(null)} />`}`;
}

function Top({ page, groups, address, leave }) {
  const followed = (event, tab) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey) return;
    event.preventDefault();
    go({ tab });
  };
  return html`<header class="top"><strong class="home">Sluice</strong>
    <nav aria-label="Pages">${groups.map((tab) => html`<a key=${tab} href=${href({ tab })} aria-current=${tab === address.tab ? "page" : undefined}
      onClick=${(event) => followed(event, tab)}>${tab}</a>`)}</nav>
    <form class="filters" aria-label="Filters" onSubmit=${(event) => event.preventDefault()}>
      <${Choice} name="city" label="City" all="All" values=${page.config.cities} address=${address} />
      <${Choice} name="currency" label="Currency" all="All" values=${page.config.currencies} address=${address} />
      <${Choice} name="window" label="Window" values=${WINDOWS} address=${address} />
      <${Choice} name="tz" label="Time zone" values=${ZONES} address=${address} />
      ${token.get() && html`<button type="button" onClick=${leave}>Log out ${page.config.analyst}</button>`}
    </form></header>`;
}

function Choice({ name, label, values, all, address }) {
  const chosen = address[name];
  const offered = !chosen || values.includes(chosen) ? values : [chosen, ...values];
  return html`<span><label for=${name}>${label}</label> <select id=${name} name=${name} value=${chosen} onChange=${(event) => go({ [name]: event.target.value })}>
    ${all && html`<option value="">${all}</option>`}${offered.map((value) => html`<option key=${value} value=${value}>${value}</option>`)}</select></span>`;
}

// What the stream has said of these tiles. `now` moves on by the second, so that ages grow.
function useLive(config, tiles, views, address, denied) {
  const [heard, tell] = useReducer((before, change) => change(before), NOTHING_HEARD());
  const shared = [...filters(address), ["window", address.window], ["tz", address.tz]];
  const names = [...new Set(tiles.flatMap((tile) => [question(tile, views.get(tile.view)), trendQuestion(tile, views.get(tile.view))]).filter(Boolean))];
  const path = names.length ? url("/v1/stream", [...names.map((name) => ["view", name]), ...shared]) : null;
  useEffect(() => {
    const aborted = new AbortController();
    tell(NOTHING_HEARD);
    const told = (event, data) => tell((before) => take(before, event, data));
    const trouble = (error) => (error?.status === 401 ? denied() : tell((before) => ({ ...before, trouble: error })));
    if (path) follow(path, aborted.signal, told, trouble);
    return () => aborted.abort();
  }, [path]);
  useEffect(() => {
    const timer = setInterval(() => tell((before) => ({ ...before, now: performance.now() })), 1000);
    return () => clearInterval(timer);
  }, []);
  const { answers, refused, ...live } = heard;
  return { answers, refused, live };
}

const NOTHING_HEARD = () => ({ answers: new Map(), refused: new Map(), views: {}, heardAt: null, now: performance.now(), trouble: null });

function take(before, event, data) {
  const now = performance.now();
  const after = { ...before, now, heardAt: now };
  if (event === "view-status") return { ...after, views: data.views };
  if (event === "not-shown") return { ...after, refused: new Map(before.refused).set(data.question, data.detail) };
  if (event === "error") return { ...after, trouble: new Error(data.detail) };
  return { ...after, answers: new Map(before.answers).set(event, data) };
}

// What is no view: open alarms on every page, gates and past alarms beside what they judge, the pipeline on its own.
// Of each the newest answer, when it came, when it was last said to be the newest, and why nothing is said now.
function usePolled(group, judged, config, address) {
  const [found, tell] = useReducer((before, [name, change]) => ({ ...before, [name]: { ...before[name], ...change } }), NOTHING_POLLED);
  const asked = (name, path, everyMs, signal) => {
    tell([name, { ...UNHEARD, everySeconds: everyMs / 1000 }]);
    poll(path, everyMs, signal, (answer) => {
      const now = performance.now();
      tell([name, { heardAt: now, ...(answer && { answer, answeredAt: now }) }]);
    }, (trouble) => tell([name, { trouble }]));
  };
  const gates = url("/v1/gates/recon", filters(address));
  useEffect(() => {
    const aborted = new AbortController();
    asked("alarms", "/v1/alarms?state=raised&limit=1000", POLL_MS, aborted.signal);
    return () => aborted.abort();
  }, []);
  useEffect(() => {
    const aborted = new AbortController();
    if (judged) asked("gates", gates, POLL_MS, aborted.signal);
    if (judged) asked("history", `/v1/alarms?limit=${MOST_HISTORY}`, POLL_MS, aborted.signal);
    if (group === PIPELINE) asked("pipeline", "/v1/pipeline", POLL_MS, aborted.signal);
    if (group === PIPELINE && config.everywhere) asked("bad", "/v1/quarantine", BAD_MS, aborted.signal);
    return () => aborted.abort();
  }, [group, config.everywhere, judged && gates]);
  return found;
}

const UNHEARD = { answer: null, answeredAt: null, heardAt: null, trouble: null };
const NOTHING_POLLED = Object.fromEntries(["alarms", "gates", "history", "pipeline", "bad"].map((name) => [name, UNHEARD]));

// For who listens to the page: which tiles are stale, when that changes, every ten seconds at most.
function Said({ group, tiles, page }) {
  const stale = tiles.filter((tile) => tileTrust(tile, page).because.length > 0).map((tile) => tile.title);
  if (group === PIPELINE && pipelineTrust(page).because.length > 0) stale.unshift("Partitions");
  const now = stale.length ? `Stale or incomplete: ${stale.join(", ")}` : "";
  const [said, say] = useState({ text: "", at: -SAY_MS });
  useEffect(() => {
    if (now === said.text) return undefined;
    const timer = setTimeout(() => say({ text: now, at: performance.now() }), Math.max(0, said.at + SAY_MS - performance.now()));
    return () => clearTimeout(timer);
  }, [now, said.text]);
  return html`<p class="unseen" role="status">${said.text}</p>`;
}

const root = document.getElementById("console");
root.replaceChildren();
render(html`<${Console} />`, root);
