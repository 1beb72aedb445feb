// What all parts of the page are made with: markup, numbers that can be asked about, tables, files.

import htm from "htm";
import { h } from "preact";
import { useState } from "preact/hooks";
import { download, token } from "./api.mjs";
import { measure, NOTHING, words } from "./formats.mjs";

export const html = htm.bind(h);
const MOST_ROWS = 25;

// A number of a row; pressed, it says where it is from. Programs find it whole in `value`.
export function Figure({ name, value, unit, currency, onExplain, label }) {
  const text = measure(value, unit, currency);
  return html`<button type="button" class="figure" data-measure=${name} onClick=${onExplain}
    aria-label=${`${label ?? words(name)}: ${text === NOTHING ? "none" : text}. Explain`}>
    <data value=${value ?? ""}>${text}</data></button>`;
}

// A link to the same as CSV. What needs a token is fetched with it.
export function Csv({ path, name, label = "CSV" }) {
  const fetched = (event) => {
    if (!token.get()) return;
    event.preventDefault();
    download(path, `${name}.csv`).catch((error) => alert(error.message));
  };
  return html`<a href=${path} download=${`${name}.csv`} onClick=${fetched}
    aria-label=${`${label} of ${words(name)}`}>${label}</a>`;
}

// What tells a row apart: values may hold whatever parts them.
export const keyOf = (row, names = Object.keys(row)) => JSON.stringify(names.map((name) => row[name]));

// A table that can be sorted by its headings. `columns`: {name, label, numeric, cell(row), by(row)}; the first
// one names a row.
export function Table({ caption, columns, rows, empty = "Nothing." }) {
  const [order, setOrder] = useState({ name: null, down: false });
  const [all, setAll] = useState(false);
  if (!rows.length) return html`<p class="empty">${empty}</p>`;
  const column = columns.find((one) => one.name === order.name);
  const sorted = column ? [...rows].sort((a, b) => compare(column.by(a), column.by(b)) * (order.down ? -1 : 1)) : rows;
  const shown = all ? sorted : sorted.slice(0, MOST_ROWS);
  const sort = (name) => setOrder({ name, down: order.name === name ? !order.down : columns.find((one) => one.name === name).numeric });
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${caption}><table>
    <caption>${caption}</caption>
    <thead><tr>${columns.map((one) => html`<${Heading} key=${one.name} one=${one} order=${order} sort=${sort} />`)}</tr></thead>
    <tbody>${shown.map((row) => html`<tr key=${columns[0].by(row) + "|" + (row.key ?? "")}>${columns.map((one, at) => at
      ? html`<td class=${one.numeric ? "numeric" : ""}>${one.cell(row)}</td>`
      : html`<th scope="row">${one.cell(row)}</th>`)}</tr>`)}</tbody></table></div>
    ${sorted.length > shown.length && html`<button type="button" onClick=${() => setAll(true)}>
      All ${sorted.length} rows</button>`}`;
}

function Heading({ one, order, sort }) {
  const sorted = order.name === one.name ? (order.down ? "descending" : "ascending") : "none";
  const mark = { ascending: "▲", descending: "▼", none: "" }[sorted];
  return html`<th scope="col" class=${one.numeric ? "numeric" : ""} aria-sort=${sorted}>
    <button type="button" onClick=${() => sort(one.name)}>${one.label} <span aria-hidden="true">${mark}</span></button></th>`;
}

function compare(a, b) {
  if (a === b) return 0;
  if (a === null || a === undefined) return 1;
  if (b === null || b === undefined) return -1;
  return a < b ? -1 : 1;
}

// A column of plain values.
export const plain = (name, { label = words(name), cell = (row) => row[name] ?? NOTHING, numeric = false } = {}) => ({
  name, label, numeric, cell, by: (row) => row[name],
});
