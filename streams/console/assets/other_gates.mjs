// The gates of other views than recon's: each on the page that shows its view, while there is one.

import { useEffect, useState } from "preact/hooks";
import { filters } from "./address.mjs";
import { url } from "./api.mjs";
import { words } from "./formats.mjs";
import { GateState, gatesNow, worstFirst } from "./gates.mjs";
import { poll } from "./live.mjs";
import { Csv, html, keyOf, plain, Table } from "./markup.mjs";
import { Trust, trustPolled } from "./trust.mjs";

const RECON = "recon";
const POLL_MS = 2_000;
const LIST_MS = 10_000;

// What is answered over and over: the newest answer, when it came, when it was last said to be so, and why not now.
function useAnswer(path, everyMs) {
  const [found, tell] = useState({ answer: null });
  useEffect(() => {
    const aborted = new AbortController();
    const change = (by) => tell((before) => ({ ...before, everySeconds: everyMs / 1000, ...by }));
    change({ answer: null, answeredAt: null, heardAt: null, trouble: null });
    poll(path, everyMs, aborted.signal, (answer) => {
      const now = performance.now();
      change({ heardAt: now, trouble: null, ...(answer && { answer, answeredAt: now }) });
    }, (trouble) => change({ trouble }));
    return () => aborted.abort();
  }, [path]);
  return found;
}

export function OtherGates({ tiles, page }) {
  const listed = useAnswer("/v1/gates", LIST_MS).answer?.gates ?? [];
  const shown = new Set(tiles.map((tile) => tile.view));
  const on = listed.filter((gate) => gate.name !== RECON && shown.has(gate.view) && Object.values(gate.states).some(Boolean));
  return on.map((gate) => html`<${OfGate} key=${gate.name} gate=${gate} page=${page} />`);
}

function OfGate({ gate, page }) {
  const own = filters(page.address).filter(([name]) => gate.dimensions.includes(name));
  const path = url(`/v1/gates/${gate.name}`, own);
  const polled = useAnswer(path, POLL_MS);
  const rows = worstFirst(gatesNow(polled, page.live.now)).map((row) => ({ ...row, key: keyOf(row, gate.dimensions) }));
  const columns = [
    ...gate.dimensions.map((name) => plain(name)),
    { name: "state", label: "Gate", cell: (row) => html`<${GateState} gate=${row} tz=${page.address.tz} />`, by: (row) => row.state },
  ];
  const id = `gate-${gate.name}`;
  return html`<section class="tile wide" data-tile=${id} aria-labelledby=${`h-${id}`}>
    <h2 id=${`h-${id}`}>Gate: ${words(gate.name)}</h2>
    <${Trust} found=${trustPolled(polled, page.live.now)} />
    <p class="note">${gate.description}</p>
    <${Table} caption=${`Gates of ${words(gate.name)}, closed ones first`} rows=${rows} columns=${columns} empty=${polled.answer ? "None of these." : "Waiting for the first answer."} />
    <footer><span>Guards ${gate.guards}</span><span><code>${gate.view}</code> <${Csv} name=${words(gate.name)} path=${url(`/v1/gates/${gate.name}`, [...own, ["format", "csv"]])} /></span></footer>
  </section>`;
}
