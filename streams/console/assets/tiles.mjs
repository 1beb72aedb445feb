// The tiles: what each asks, and what it shows of the answer. What they are is declared beside the views.

import { url } from "./api.mjs";
import { filters } from "./address.mjs";
import { count, NOTHING, share, time, words } from "./formats.mjs";
import { Trend } from "./chart.mjs";
import { Gates } from "./gates.mjs";
import { Csv, Figure, html, keyOf, Table } from "./markup.mjs";
import { Trust, trust, trustBoth, trustPolled } from "./trust.mjs";

const DAY_MS = 86_400_000;
const TREND = [["window", "7d"], ["step", "1d"]];

const grouping = (tile, view) => (view.kind === "experiment" ? [] : [["group_by", tile.group_by.join(",")]]);

// What a tile asks of its view, by which the stream calls its answers; and what its trend asks.
export const question = (tile, view) => url(tile.view, grouping(tile, view));
export const trendQuestion = (tile, view) => (tile.trend.length ? url(tile.view, [...grouping(tile, view), ...TREND]) : null);

// The parameters that a view knows, of those that are set: as the stream gives them to it.
export function parameters(view, address) {
  const own = filters(address).filter(([name]) => view.dimensions.includes(name));
  return [...own, ["window", address.window], ...(view.kind === "windowed" ? [["tz", address.tz]] : [])];
}

const csv = (view, asked) => url(`/v1/views/${view}`, [...asked, ["format", "csv"]]);

const NARROW = 3;
// What does not fit into one column of the page.
const wide = (tile) => ["gates", "intervals"].includes(tile.kind)
  || (tile.kind === "table" && tile.group_by.length + tile.measures.length > NARROW);
const KINDS = { numbers: Numbers, funnel: Funnel, buckets: Buckets, table: Rows, gates: Gates, intervals: Intervals };

// How far what a tile shows can be trusted now; of the gates' states, too.
export function tileTrust(tile, page) {
  const found = trust(page.answers.get(question(tile, page.views.get(tile.view))), page.live);
  return tile.kind === "gates" ? trustBoth(found, trustPolled(page.gates, page.live.now)) : found;
}

export function Tile({ tile, page }) {
  const view = page.views.get(tile.view);
  const name = question(tile, view);
  const answer = page.answers.get(name);
  const refused = page.refused.get(name);
  const found = tileTrust(tile, page);
  const asked = [...grouping(tile, view), ...parameters(view, page.address)];
  const explain = (measure, row, label) => page.open({ kind: "explain", tile, view, measure, row, answer, label });
  const Body = KINDS[tile.kind];
  const shared = { tile, view, answer, page, explain, found };
  const stale = Boolean(answer) && found.because.length > 0;
  return html`<section class=${`tile${wide(tile) ? " wide" : ""}${stale ? " stale" : ""}`} data-tile=${tile.tile} aria-labelledby=${`h-${tile.tile}`}>
    <h2 id=${`h-${tile.tile}`}>${tile.title}</h2>
    ${refused ? html`<p class="trust" data-trust="refused"><span aria-hidden="true">⊘ </span>Not for you</p><p>${refused}</p>` : html`
      <${Trust} found=${found} />
      <${Scope} view=${view} address=${page.address} />
      ${(answer?.warnings ?? []).map((warning) => html`<p class="warning" key=${warning}>${warning}</p>`)}
      ${answer ? html`<${Body} ...${shared} />` : html`<p class="empty">Waiting for the first answer.</p>`}
      <${Drill} ...${shared} />
      <footer>${answer && html`<span>As of ${time(answer.as_of, page.address.tz)}${answer.from ? `, since ${time(answer.from, page.address.tz, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" })}` : ", latest states"}</span>`}
        <span><code>${tile.view}</code> <${Csv} name=${tile.view} path=${csv(tile.view, asked)} /></span></footer>`}
  </section>`;
}

// What is filtered for and this view does not have is said, not passed over.
function Scope({ view, address }) {
  const not = filters(address).map(([name]) => name).filter((name) => !view.dimensions.includes(name));
  return not.length > 0 && html`<p class="note">Not by ${not.join(" or ")}: this is of all that you may see.</p>`;
}

function Drill({ tile, view, page }) {
  if (!tile.states.length) return null;
  return html`<p class="drill">List: ${tile.states.map((state) => html`<button type="button" key=${state}
    onClick=${() => page.open({ kind: "entities", tile, view, state })}>${words(state)}</button> `)}</p>`;
}

// An amount is called one where the view also counts what it is the amount of.
const called = (view, name) => words(name) + (name.endsWith("_minor") && name.replace(/_minor$/, "") in view.about ? " amount" : "");
const unitOf = (view, name) => view.about[name]?.unit ?? "number";

// How a row is called: by the dimensions that it has, but for the currency, which its amounts have.
const rowName = (tile, row) => tile.group_by.filter((name) => name !== "currency").map((name) => row[name] ?? "(none)").join(" · ");

function Numbers({ tile, view, answer, explain, found, page }) {
  if (!answer.rows.length) return html`<p class="empty">Nothing in this window.</p>`;
  const trend = page.answers.get(trendQuestion(tile, view));
  const days = daysOf(trend);
  const shared = {
    days, since: trend?.since ? Date.parse(trend.since) : -Infinity, tz: page.address.tz,
    doubts: trust(trend, page.live).because.filter((why) => !found.because.includes(why)),
    path: csv(tile.view, [...grouping(tile, view), ...TREND, ...parameters(view, page.address).filter(([name]) => name !== "window")]),
  };
  const ofRow = (row) => trend.rows.filter((one) => tile.group_by.every((name) => one[name] === row[name]));
  return answer.rows.map((row) => html`<div class="group" key=${keyOf(row, tile.group_by)} data-currency=${row.currency ?? ""}>
    ${tile.group_by.length > 0 && html`<h3>${[rowName(tile, row), row.currency].filter(Boolean).join(" · ")}</h3>`}
    <dl class="figures">${tile.measures.map((name) => html`<div key=${name}><dt>${called(view, name)}</dt><dd>
      <${Figure} name=${name} value=${row[name]} unit=${unitOf(view, name)} currency=${row.currency}
      label=${[rowName(tile, row), called(view, name)].filter(Boolean).join(" ")} onExplain=${() => explain(name, row)} /></dd></div>`)}</dl>
    ${days.length > 0 && tile.trend.map((name) => html`<${Trend} key=${name} name=${name} unit=${unitOf(view, name)} currency=${row.currency}
      rows=${ofRow(row)} ...${shared} />`)}
  </div>`);
}

// When the seven newest days of a trend begin, those too on which there was nothing, of which there is no row.
// The window may cut an eighth one: it is no day. A day may be an hour longer or shorter.
function daysOf(trend) {
  const starts = (trend?.rows ?? []).filter((row) => row.t !== trend.from).map((row) => Date.parse(row.t));
  const known = [...new Set(starts)].sort((a, b) => a - b);
  const days = [];
  for (let at = known[0] - DAY_MS; at >= Date.parse(trend?.from); at -= DAY_MS) days.unshift(at);
  known.forEach((start, number) => {
    const end = number + 1 < known.length ? known[number + 1] - DAY_MS / 2 : Date.parse(trend.to);
    days.push(start);
    for (let at = start + DAY_MS; at < end; at += DAY_MS) days.push(at);
  });
  return days.slice(-7);
}

function Funnel({ tile, view, answer, explain }) {
  const row = answer.rows[0];
  if (!row) return html`<p class="empty">Nothing in this window.</p>`;
  const most = Math.max(1, ...tile.measures.map((name) => row[name] ?? 0));
  return html`<ol class="funnel">${tile.measures.map((name, at) => html`<li key=${name}>
    <span>${words(name)}</span>
    <${Figure} name=${name} value=${row[name]} unit=${unitOf(view, name)} onExplain=${() => explain(name, row)} />
    <meter min="0" max=${most} value=${row[name] ?? 0} aria-label=${`${words(name)}, of the largest stage`}></meter>
    ${at > 0 && html`<span class="rate"><${Figure} name=${tile.rates[at - 1]} value=${row[tile.rates[at - 1]]} unit="ratio"
      onExplain=${() => explain(tile.rates[at - 1], row)} /> of ${words(tile.measures[at - 1]).toLowerCase()}</span>`}
  </li>`)}</ol>`;
}

function Buckets({ tile, view, answer, explain }) {
  if (!answer.rows.length) return html`<p class="empty">Nothing yet.</p>`;
  return answer.rows.map((row) => {
    const all = tile.measures.reduce((sum, name) => sum + (row[name] ?? 0), 0);
    const called = [rowName(tile, row), row.currency].filter(Boolean).join(" · ");
    return html`<div class="group" key=${keyOf(row, tile.group_by)} data-row=${called}>${called && html`<h3>${words(called)}</h3>`}
      <ul class="buckets">${tile.measures.map((name, at) => html`<li key=${name}><span>${"▁▃▅▇█".charAt(at + 1)} ${words(name)}</span>
        <${Figure} name=${name} label=${`${called} ${words(name)}`} value=${row[name]} unit=${unitOf(view, name)} onExplain=${() => explain(name, row)} />
        <meter min="0" max=${Math.max(1, all)} value=${row[name] ?? 0} aria-label=${`${called} ${words(name)}, share`}></meter>
        <span class="rate">${share(row[name] ?? 0, all)}</span></li>`)}</ul></div>`;
  });
}

function Rows({ tile, view, answer, explain }) {
  const named = tile.group_by.map((name) => ({ name, label: words(name), cell: (row) => row[name] ?? "(none)", by: (row) => row[name] }));
  const measured = tile.measures.map((name) => ({
    name, label: called(view, name), numeric: true, by: (row) => row[name],
    cell: (row) => html`<${Figure} name=${name} value=${row[name]} unit=${unitOf(view, name)} currency=${row.currency}
      label=${`${rowName(tile, row)} ${words(name)}`} onExplain=${() => explain(name, row)} />`,
  }));
  // A row in which nothing is counted is one that another measure of the view has.
  const counted = answer.rows.filter((row) => tile.measures.some((name) => row[name]));
  const rows = counted.map((row) => ({ ...row, key: keyOf(row, tile.group_by) }));
  return html`<${Table} caption=${`${tile.title}, by ${tile.group_by.map(words).join(", ")}`} columns=${[...named, ...measured]} rows=${rows} empty="Nothing in this window." />`;
}

// The interval that may be watched all along: whoever looks every second must not be led to a difference.
function Intervals({ view, answer, explain }) {
  const experiments = Map.groupBy(answer.rows, (row) => row[view.dimensions[0]]);
  if (!experiments.size) return html`<p class="empty">No experiment.</p>`;
  return [...experiments].map(([name, rows]) => {
    const ends = rows.flatMap((row) => [row.always_valid_low, row.always_valid_high]).filter((end) => end !== null && end !== undefined);
    const reach = Math.max(1e-9, ...ends.map(Math.abs));
    const broken = rows.some((row) => row.srm_p !== null && row.srm_p < 0.001);
    const figure = (row, name) => html`<${Figure} name=${name} value=${row[name]} unit=${unitOf(view, name)}
      label=${`${row.variant} ${words(name)}`} onExplain=${() => explain(name, row)} />`;
    return html`<div class="group" key=${name}><h3>${name}</h3>
      ${broken && html`<p class="warning"><span aria-hidden="true">⚠ </span>Its users are not split as they should be: the difference means nothing.</p>`}
      <${Table} caption=${`${name}: variants`} rows=${rows.map((row) => ({ ...row, key: row.variant }))} columns=${[
        { name: "variant", label: "Variant", cell: (row) => row[view.dimensions[1]], by: (row) => row[view.dimensions[1]] },
        ...["users", "mean_cuped", "diff", "always_valid_low", "always_valid_high"].map((one) => ({ name: one, label: words(one), numeric: true, cell: (row) => figure(row, one), by: (row) => row[one] })),
        { name: "interval", label: "95 %, may be watched", cell: (row) => html`<${Interval} row=${row} reach=${reach} />`, by: (row) => row.diff },
        ...["srm_p", "crossovers"].map((one) => ({ name: one, label: words(one), numeric: true, cell: (row) => figure(row, one), by: (row) => row[one] })),
      ]} /></div>`;
  });
}

function Interval({ row, reach }) {
  const { always_valid_low: low, always_valid_high: high, diff } = row;
  if (low === null || high === null || diff === null) return NOTHING;
  const at = (value) => 60 + (value / reach) * 55;
  const says = low > 0 ? "above 0" : high < 0 ? "below 0" : "0 is possible";
  return html`<svg class="interval" viewBox="0 0 120 16" width="120" height="16" aria-hidden="true">
    <line x1="60" x2="60" y1="0" y2="16" class="zero" /><line x1=${at(low)} x2=${at(high)} y1="8" y2="8" class="span" />
    <circle cx=${at(diff)} cy="8" r="3.5" class="point" /></svg> ${says}`;
}
