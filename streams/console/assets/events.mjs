// The events behind a number, from Bronze and Kafka. The api answers one such question at a time, so it is asked
// when somebody wants to know, not with every number that is pressed.

import { useState } from "preact/hooks";
import { url } from "./api.mjs";
import { useAsked } from "./asked.mjs";
import { count, measure, moment, NOTHING, words } from "./formats.mjs";
import { Csv, html, plain, Table } from "./markup.mjs";

export function Events({ page, view, asked }) {
  const [wanted, want] = useState(false);
  const path = `/v1/views/${view.name}/explain`;
  const { answer, error } = useAsked(wanted ? url(path, asked) : null);
  if (!page.config.explains.includes(view.name)) return html`<p class="note">The events behind it cannot be listed for this view.</p>`;
  if (!wanted) return html`<p><button type="button" onClick=${() => want(true)}>The events behind it</button></p>`;
  return html`<h3>The events behind it</h3><div role="status">${error ? html`<p class="warning">${error.message}</p>` : !answer && html`<p>Reading them, which may take a while.</p>`}
    ${answer && html`<${AddsUp} answer=${answer} />`}</div>
    ${answer && html`<${Told} answer=${answer} view=${view} tz=${page.address.tz} />
      <p><${Csv} name=${`${view.name}_explain`} path=${url(path, [...asked, ["format", "csv"]])} label="What they add, as CSV" /></p>`}`;
}

function AddsUp({ answer }) {
  const [sign, state, says] = {
    true: ["✓", "ok", "They add up to these rows."],
    false: ["■", "alarm", "They do not add up to these rows."],
    null: ["?", "warn", "Whether they add up is not known."],
  }[answer.adds_up];
  return html`<p class=${`state ${state}`}><span aria-hidden="true">${sign} </span>${says}</p>${answer.notes.map((note) => html`<p class="note" key=${note}>${note}</p>`)}`;
}

function Told({ answer, view, tz }) {
  const added = Object.keys(answer.events[0] ?? {}).map((name) => (view.about[name]
    ? plain(name, { numeric: true, cell: (row) => measure(row[name], view.about[name].unit, row.currency) })
    : plain(name, { numeric: name === "records", cell: (row) => (name === "records" ? count(row[name]) : row[name] ?? NOTHING) })));
  const one = (caption, rows, more = []) => html`<${Table} caption=${caption} empty="None." rows=${rows.map((row) => ({ ...row, key: `${row.topic}-${row.partition}-${row.offset}` }))} columns=${[
    plain("event_id", { label: "Id" }), plain("event"), plain("occurred_at", { label: "Occurred", cell: (row) => moment(row.occurred_at, tz) }),
    plain("amount", { numeric: true, cell: (row) => measure(row.amount, row.currency ? "minor" : "count", row.currency) }),
    plain("at", { label: "In Kafka", cell: (row) => `${row.topic} ${row.partition} @ ${row.offset}` }), ...more]} />`;
  return html`
    ${answer.events.length > 0 && html`<${Table} caption="What each kind of event adds" columns=${added} rows=${answer.events.map((row, at) => ({ ...row, key: at }))} />`}
    ${answer.largest.length > 0 && one("The largest", answer.largest)}
    ${one("The newest", answer.newest)}
    ${answer.left_out.map((left) => html`<div key=${left.why}>${one(`Left out, ${left.why}: ${count(left.records)}`, left.examples, [plain("because")])}</div>`)}
    ${answer.differences.length > 0 && html`<${Table} caption="Where they differ" rows=${answer.differences.map((row, at) => ({ ...row, key: at }))} columns=${[
      plain("row", { cell: (row) => Object.values(row.row).join(" · ") }), plain("measure", { cell: (row) => words(row.measure) }),
      ...["live", "computed"].map((name) => plain(name, { numeric: true, cell: (row) => measure(row[name], view.about[row.measure]?.unit, row.row.currency) }))]} />`}`;
}
