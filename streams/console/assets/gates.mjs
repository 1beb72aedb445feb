// The recon gates beside what they judge, and the alarms: what is open, and what has been.

import { filters } from "./address.mjs";
import { url } from "./api.mjs";
import { age, count, moment, NOTHING, words } from "./formats.mjs";
import { Csv, Figure, html, keyOf, plain, Table } from "./markup.mjs";
import { trustPolled } from "./trust.mjs";

const MARKS = { ok: "✓", warn: "▲", alarm: "■", stale: "◌" };
const WORST_FIRST = ["alarm", "stale", "warn", "ok"];
const MOST_NAMED = 3;

export function State({ state }) {
  return html`<span class=${`state ${state}`}><span aria-hidden="true">${MARKS[state] ?? "?"}</span> ${state}</span>`;
}

const gateKey = (row) => keyOf(row, ["city", "currency"]);

// The gates as they count now: past its `valid_until` one is closed, whether or not the api has said so since. The
// time is the api's.
export function gatesNow({ answer, answeredAt }, now) {
  const at = answer && Date.parse(answer.as_of) + now - answeredAt;
  return (answer?.rows ?? []).map((gate) => (gate.state === "stale" || at <= Date.parse(gate.valid_until) ? gate
    : { ...gate, state: "stale", open: false, since: gate.valid_until, reason: `no evaluation has come since ${gate.evaluated_at}` }));
}

export const worstFirst = (gates) => [...gates].sort((a, b) => WORST_FIRST.indexOf(a.state) - WORST_FIRST.indexOf(b.state));

// A row for each gate and each group, of which either may be without the other: a gate looks back further than the
// page, perhaps.
function joined(groups, gates) {
  const rows = new Map(groups.map((group) => [gateKey(group), { ...group, counted: true }]));
  for (const gate of gates) rows.set(gateKey(gate), { city: gate.city, currency: gate.currency, ...rows.get(gateKey(gate)), gate });
  const badness = ({ gate }) => (gate ? WORST_FIRST.indexOf(gate.state) : WORST_FIRST.length);
  return [...rows].map(([key, row]) => ({ ...row, key })).sort((a, b) => badness(a) - badness(b));
}

export function Gates({ tile, view, answer, page, explain }) {
  const rows = joined(answer.rows, gatesNow(page.gates, page.live.now));
  const columns = [
    { name: "gate", label: "City", cell: (row) => row.city ?? "(none)", by: (row) => row.city },
    plain("currency"),
    { name: "state", label: "Gate", cell: (row) => html`<${GateState} gate=${row.gate} tz=${page.address.tz} />`, by: (row) => row.gate?.state },
    ...tile.measures.map((name) => ({
      name, label: words(name), numeric: true, by: (row) => row[name],
      cell: (row) => (row.counted ? html`<${Figure} name=${name} value=${row[name]} unit=${view.about[name]?.unit} currency=${row.currency}
        label=${`${row.city ?? "no city"} ${words(name)}`} onExplain=${() => explain(name, row)} />` : NOTHING),
    })),
  ];
  return html`<${Table} caption="Charges against payouts, refunds and fees, by city and currency" rows=${rows} columns=${columns} empty="Nothing in this window." />
    <p><${Csv} name="gates" path=${url("/v1/gates/recon", [...filters(page.address), ["format", "csv"]])} /></p>
    <${Alarms} page=${page} />`;
}

export function GateState({ gate, tz }) {
  if (!gate) return NOTHING;
  const why = gate.reason ? `: ${gate.reason}` : "";
  const decided = gate.override && html` <strong>by the decision of ${gate.override_by} until ${moment(gate.override_until, tz)}: ${gate.override_reason}</strong>`;
  return html`<span class="gate"><${State} state=${gate.state} />, ${gate.open ? "open" : "closed"}${decided}
    <small> since ${moment(gate.since, tz)}${why}</small></span>`;
}

export function Alarms({ page }) {
  const { because } = trustPolled(page.history, page.live.now);
  const rows = (page.history.answer?.rows ?? []).map((row) => ({ ...row, key: row.alarm_id }));
  const tz = page.address.tz;
  return html`<h3>Alarms and their history</h3>
    ${because.length > 0 && html`<p class="warning"><span aria-hidden="true">⚠ </span>The alarms are not known now: ${because[0]}</p>`}
    <${Table} caption="Alarms of the last 30 days, open ones first" rows=${rows} empty=${page.history.answer ? "No alarm in 30 days." : "Not known yet."} columns=${[
    plain("subject"),
    plain("state", { cell: (row) => html`<span class=${`state ${row.state === "raised" ? "alarm" : "ok"}`}><span aria-hidden="true">${row.state === "raised" ? "■" : "✓"}</span> ${row.state === "raised" ? "open" : "cleared"}</span>` }),
    plain("severity"),
    plain("raised_at", { label: "Raised", cell: (row) => moment(row.raised_at, tz) }),
    plain("cleared_at", { label: "Lasted", cell: (row) => (row.cleared_at ? age((Date.parse(row.cleared_at) - Date.parse(row.raised_at)) / 1000) : "until now") }),
    plain("detail", { label: "Why" }),
    plain("code"),
  ]} /><p><${Csv} name="alarms" path="/v1/alarms?limit=1000&format=csv" /></p>`;
}

// What pages somebody is on every page.
export function OpenAlarms({ alarms, now }) {
  const { because } = trustPolled(alarms, now);
  const critical = criticalOf(alarms);
  const open = (alarms.answer?.rows ?? []).filter(isOpenCritical).slice(0, MOST_NAMED);
  return html`${because.length > 0 && html`<p class="banner unknown"><span aria-hidden="true">⚠ </span>The alarms are not known now: ${because[0]}</p>`}
    ${critical > 0 && html`<div class="banner" role="alert"><strong><span aria-hidden="true">■ </span>${critical === 1 ? "1 critical alarm is open" : `${count(critical)} critical alarms are open`}</strong>
    <ul>${open.map((row) => html`<li key=${row.alarm_id}>${row.subject}: ${row.detail}</li>`)}
      ${critical > open.length && html`<li>and ${count(critical - open.length)} more</li>`}</ul></div>`}`;
}

const isOpenCritical = (row) => row.state === "raised" && row.severity === "critical";

// How many critical alarms are open, of all that may be seen; those that are listed come first.
export const criticalOf = ({ answer }) => answer?.critical ?? 0;
