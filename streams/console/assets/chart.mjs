// A week by day, drawn by uPlot, which is fetched when the first one is needed; the same as a table.

import { useEffect, useRef, useState } from "preact/hooks";
import { day, measure, minorDigits, words } from "./formats.mjs";
import { Csv, html, plain, Table } from "./markup.mjs";

const UNKNOWN = "not known";
const HEIGHT = 96;
const dark = matchMedia("(prefers-color-scheme: dark)");

// `since`: days that begin before it may lack events (ms, -Infinity: none does); `doubts`: what else is wrong with
// all of them; `path`: the same as CSV.
export function Trend({ name, unit, currency, rows, days, since, doubts, path, tz }) {
  const canvas = useRef(null);
  const [scheme, setScheme] = useState(dark.matches);
  const byDay = new Map(rows.map((row) => [Date.parse(row.t), row[name]]));
  // A day without a row had no event: nothing was counted, and there is no ratio. Unless the view has not all of it.
  const nothing = unit === "count" || unit === "minor" ? 0 : null;
  const values = days.map((at) => (at < since ? null : byDay.get(at) ?? nothing));
  const data = [days.map((at) => at / 1000), values];
  useEffect(() => {
    const changed = () => setScheme(dark.matches);
    dark.addEventListener("change", changed);
    return () => dark.removeEventListener("change", changed);
  }, []);
  useEffect(() => {
    let chart = null;
    let gone = false;
    const room = canvas.current;
    const resized = new ResizeObserver(() => chart?.setSize({ width: room.clientWidth, height: HEIGHT }));
    import("uplot").then(({ default: uPlot }) => {
      if (gone) return;
      chart = new uPlot(options(uPlot, room.clientWidth, unit, currency, tz), data, room);
      resized.observe(room);
    });
    return () => ((gone = true), resized.disconnect(), chart?.destroy());
  }, [JSON.stringify(data), scheme, tz]);
  const title = `${words(name)}${currency ? `, ${currency}` : ""} by day, 7 days`;
  const shown = days.map((at, number) => ({ key: at, at, value: values[number] }));
  return html`<figure><figcaption>${title}</figcaption>
    ${doubts.length > 0 && html`<p class="warning"><span aria-hidden="true">⚠ </span>Not complete: ${doubts[0]}${doubts.length > 1 && `, and ${doubts.length - 1} more`}</p>`}
    <div class="chart" ref=${canvas} aria-hidden="true"></div>
    <details><summary>${words(name)} as a table</summary><${Table} caption=${title} rows=${shown} columns=${[
      plain("at", { label: "Day", cell: (row) => day(row.at, tz) }),
      plain("value", { label: words(name), numeric: true, cell: (row) => (row.at < since ? UNKNOWN : measure(row.value, unit, currency)) }),
    ]} /><p><${Csv} name=${`${name}_by_day`} path=${path} /></p></details></figure>`;
}

function options(uPlot, width, unit, currency, tz) {
  const style = getComputedStyle(document.documentElement);
  const [ink, line, drawn] = ["--faint", "--line", "--drawn"].map((name) => style.getPropertyValue(name).trim());
  const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const short = (value) => (unit === "ratio" ? `${Math.round(value * 100)}%` : Intl.NumberFormat("en", { notation: "compact" })
    .format(unit === "minor" && currency ? value / 10 ** minorDigits(currency) : value));
  return {
    width, height: HEIGHT, padding: [8, 24, 0, 0], cursor: { show: false }, legend: { show: false },
    scales: { y: { range: (_, low, high) => [Math.min(0, low ?? 0), unit === "ratio" ? Math.max(high ?? 0, 0.01) * 1.1 : Math.max(high ?? 0, 1) * 1.1] } },
    axes: [
      { ...axis, size: 22, values: (_, at) => at.map((seconds) => day(1000 * seconds, tz)), space: 70, incrs: [1, 2, 3, 7].map((count) => count * 86_400) },
      { ...axis, size: 44, values: (_, at) => at.map(short), space: 28 },
    ],
    series: [{}, { stroke: drawn, width: 2, fill: `${drawn}22`, points: { show: true, size: 6, fill: drawn } }],
  };
}
