// The recon gates beside what they judge, and the alarms: what is open, and what has been.

import { age, moment, NOTHING, words } from "./formats.mjs";
import { Figure, html, plain, Table } from "./markup.mjs";

const MARKS = { ok: "✓", warn: "▲", alarm: "■", stale: "◌" };
const WORST_FIRST = ["alarm", "stale", "warn", "ok"];
const MOST_HISTORY = 50;

export function State({ state }) {
  return html`<span class=${`state ${state}`}><span aria-hidden="true">${MARKS[state] ?? "?"}</span> ${state}</span>`;
}

const keyOf = (row) => `${row.city ?? ""}|${row.currency}`;

export function Gates({ tile, view, answer, page, explain }) {
  const gates = new Map((page.gates?.rows ?? []).map((gate) => [keyOf(gate), gate]));
  const badness = (row) => (row.gate ? WORST_FIRST.indexOf(row.gate.state) : WORST_FIRST.length);
  const rows = answer.rows.map((row) => ({ ...row, key: keyOf(row), gate: gates.get(keyOf(row)) })).sort((a, b) => badness(a) - badness(b));
  const columns = [
    { name: "gate", label: "City", cell: (row) => row.city ?? "(none)", by: (row) => row.city },
    plain("currency"),
    { name: "state", label: "Gate", cell: (row) => html`<${GateState} gate=${row.gate} tz=${page.address.tz} />`, by: (row) => row.gate?.state },
    ...tile.measures.map((name) => ({
      name, label: words(name), numeric: true, by: (row) => row[name],
      cell: (row) => html`<${Figure} name=${name} value=${row[name]} unit=${view.about[name]?.unit} currency=${row.currency}
        label=${`${row.city ?? "no city"} ${words(name)}`} onExplain=${() => explain(name, row)} />`,
    })),
  ];
  return html`${page.gatesTrouble && html`<p class="warning"><span aria-hidden="true">⚠ </span>The gates are not known: ${page.gatesTrouble.message}</p>`}
    <${Table} caption="Charges against payouts, refunds and fees, by city and currency" rows=${rows} columns=${columns} empty="Nothing in this window." />
    <${Alarms} page=${page} />`;
}

function GateState({ gate, tz }) {
  if (!gate) return NOTHING;
  const why = gate.reason ? `: ${gate.reason}` : "";
  return html`<span class="gate"><${State} state=${gate.state} />, ${gate.open ? "open" : "closed"}
    <small> since ${moment(gate.since, tz)}${why}</small></span>`;
}

export function Alarms({ page }) {
  if (page.alarmsTrouble) return html`<p class="warning">The alarms are not known: ${page.alarmsTrouble.message}</p>`;
  const rows = (page.alarms?.rows ?? []).slice(0, MOST_HISTORY).map((row) => ({ ...row, key: row.alarm_id }));
  const tz = page.address.tz;
  return html`<h3>Alarms and their history</h3><${Table} caption="Alarms of the last 30 days, open ones first" rows=${rows} empty="No alarm in 30 days." columns=${[
    plain("subject"),
    plain("state", { cell: (row) => html`<span class=${`state ${row.state === "raised" ? "alarm" : "ok"}`}><span aria-hidden="true">${row.state === "raised" ? "■" : "✓"}</span> ${row.state === "raised" ? "open" : "cleared"}</span>` }),
    plain("severity"),
    plain("raised_at", { label: "Raised", cell: (row) => moment(row.raised_at, tz) }),
    plain("cleared_at", { label: "Lasted", cell: (row) => (row.cleared_at ? age((Date.parse(row.cleared_at) - Date.parse(row.raised_at)) / 1000) : "until now") }),
    plain("detail", { label: "Why" }),
    plain("code"),
  ]} />`;
}

// What pages somebody is on every page.
export function OpenAlarms({ alarms, trouble }) {
  const open = (alarms?.rows ?? []).filter((row) => row.state === "raised" && row.severity === "critical");
  if (!open.length) return trouble && html`<p class="banner unknown"><span aria-hidden="true">⚠ </span>The alarms are not known: ${trouble.message}</p>`;
  return html`<div class="banner" role="alert"><strong><span aria-hidden="true">■ </span>${open.length === 1 ? "1 critical alarm is open" : `${open.length} critical alarms are open`}</strong>
    <ul>${open.slice(0, 3).map((row) => html`<li key=${row.alarm_id}>${row.subject}: ${row.detail}</li>`)}
      ${open.length > 3 && html`<li>and ${open.length - 3} more</li>`}</ul></div>`;
}
