// What is opened beside the page: where a number is from, and the entities behind it. A dialog holds the
// keyboard while it is open, and gives it back to what opened it.

import { useEffect, useRef, useState } from "preact/hooks";
import { element, url } from "./api.mjs";
import { useAsked } from "./asked.mjs";
import { filters } from "./address.mjs";
import { count, measure, moment, NOTHING, words } from "./formats.mjs";
import { Csv, html, keyOf, plain, Table } from "./markup.mjs";
import { Events } from "./events.mjs";
import { parameters } from "./tiles.mjs";

const PAGE = "50";

export function Drawer({ page, opened, close }) {
  const dialog = useRef(null);
  useEffect(() => {
    const from = document.activeElement;
    dialog.current.showModal();
    return () => from?.focus?.();
  }, []);
  const Body = opened.kind === "explain" ? Explain : Entities;
  return html`<dialog ref=${dialog} aria-labelledby="drawer" onClose=${close}>
    <form method="dialog"><button class="close">Close</button></form><${Body} page=${page} ...${opened} /></dialog>`;
}

function Explain({ page, tile, view, measure: name, row, answer }) {
  const { description, unit } = view.about[name] ?? { description: "", unit: "number" };
  const chosen = tile.group_by.filter((dimension) => view.dimensions.includes(dimension)).map((dimension) => [dimension, element(row[dimension])]);
  const others = parameters(view, page.address).filter(([dimension]) => !tile.group_by.includes(dimension));
  const asked = [...chosen, ...others];
  const rows = useAsked(url(`/v1/views/${view.name}`, asked));
  const currency = row.currency;
  return html`<h2 id="drawer">${words(name)}</h2>
    <p class="large"><data value=${row[name] ?? ""}>${measure(row[name], unit, currency)}</data></p>
    <p>${description}.</p>
    <dl class="facts"><dt>View</dt><dd><code>${view.name}</code>, ${view.description}</dd>
      <dt>Asked</dt><dd>${asked.map(([parameter, value]) => `${parameter}=${value || "(none)"}`).join(" · ") || "everything"}</dd>
      <dt>As of</dt><dd>${moment(answer?.as_of, page.address.tz)}</dd></dl>
    <h3>By ${view.dimensions.map(words).join(", ")}</h3>
    ${rows.error && html`<p class="warning">${rows.error.message}</p>`}
    ${rows.answer ? html`<${Table} caption=${`${words(name)} by ${view.dimensions.map(words).join(", ")}`} rows=${rows.answer.rows.map((one) => ({ ...one, key: keyOf(one, view.dimensions) }))}
      columns=${[...view.dimensions.map((dimension) => plain(dimension, { cell: (one) => one[dimension] ?? "(none)" })),
        plain(name, { numeric: true, cell: (one) => measure(one[name], unit, one.currency ?? currency) })]} />` : !rows.error && html`<p>Asking.</p>`}
    <p><${Csv} name=${view.name} path=${url(`/v1/views/${view.name}`, [...asked, ["format", "csv"]])} label="These rows as CSV" /></p>
    <${Events} page=${page} view=${view} asked=${asked.filter(([parameter]) => parameter !== "tz")} />
    <h3>It rests on</h3><${Partitions} answer=${rows.answer ?? answer} tz=${page.address.tz} />
    <p><${Csv} name="partitions" path="/v1/pipeline?format=csv" /></p>`;
}

function Partitions({ answer, tz }) {
  const rows = (answer?.partitions ?? []).map((one) => ({ ...one, name: `${one.topic} ${one.partition}`, key: `${one.topic}-${one.partition}` }));
  return html`<${Table} caption="The partitions, and the offset before which their events are in" rows=${rows} empty="No partition yet." columns=${[
    plain("name", { label: "Partition" }),
    plain("checkpoint_offset", { label: "Before offset", numeric: true, cell: (row) => count(row.checkpoint_offset) }),
    plain("lag_records", { label: "Lag", numeric: true, cell: (row) => count(row.lag_records) }),
    plain("watermark", { cell: (row) => moment(row.watermark, tz) })]} />`;
}

function Entities({ page, view, state: first }) {
  const [state, setState] = useState(first);
  const [pages, setPages] = useState([]);
  const [cursor, setCursor] = useState(null);
  const asked = [...filters(page.address).filter(([name]) => view.dimensions.includes(name)), ["state", state], ["limit", PAGE]];
  const path = url(`/v1/views/${view.name}/entities`, cursor ? [...asked, ["cursor", cursor]] : asked);
  const { answer, error } = useAsked(path);
  const rows = [...pages, ...(answer?.rows ?? [])];
  const choose = (event) => (setState(event.target.value), setPages([]), setCursor(null));
  return html`<h2 id="drawer">${view.name}: ${words(state)}</h2>
    <p><label>State <select value=${state} onChange=${choose}>${view.states.map((one) => html`<option key=${one} value=${one}>${words(one)}</option>`)}</select></label> Oldest first.</p>
    ${error && html`<p class="warning">${error.message}</p>`}
    ${!answer && !error && !rows.length ? html`<p>Asking.</p>` : html`<${Table} caption=${`${words(state)}, oldest first`} empty="None." rows=${rows.map((row) => ({ ...row, key: keyOf(row) }))}
      columns=${Object.keys(rows[0] ?? {}).map((name) => plain(name, { cell: (row) => cell(name, row, page.address.tz), numeric: name.endsWith("_minor") }))} />`}
    ${answer?.cursor && html`<button type="button" onClick=${() => (setPages(rows), setCursor(answer.cursor))}>Next ${PAGE}</button> `}
    <p><${Csv} name=${`${view.name}_${state}`} path=${url(`/v1/views/${view.name}/entities`, [...asked, ["format", "csv"]])} label="CSV" /></p>`;
}

function cell(name, row, tz) {
  const value = row[name];
  if (value === null || value === undefined) return NOTHING;
  if (name.endsWith("_minor")) return html`<data value=${value}>${measure(value, "minor", row.currency)}</data>`;
  return /_(at|by)$/.test(name) ? moment(value, tz) : String(value);
}
