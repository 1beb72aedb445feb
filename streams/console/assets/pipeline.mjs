// How the pipeline is: who reads what, how far it is, which views can be trusted, what bad records look like.

import { age, count, moment, NOTHING } from "./formats.mjs";
import { Csv, html, plain, Table } from "./markup.mjs";
import { Trust, trustPolled } from "./trust.mjs";

const seconds = (value) => (value === null || value === undefined ? NOTHING : age(value));
const number = (name, label) => plain(name, { label, numeric: true, cell: (row) => count(row[name]) });
const aged = (name, label) => plain(name, { label, numeric: true, cell: (row) => seconds(row[name]) });
const sign = (why) => (why ? html`<span class="state stale"><span aria-hidden="true">⚠</span> ${why}</span>` : html`<span class="state ok"><span aria-hidden="true">✓</span> complete</span>`);

// Of what is shown of the partitions and the views; `whys`: what is wrong with them.
export function pipelineTrust(page) {
  const rows = page.pipeline.answer?.rows ?? [];
  const whys = rows.filter((row) => row.incomplete_because).map((row) => `${row.topic}-${row.partition}: ${row.incomplete_because}`);
  return trustPolled(page.pipeline, page.live.now, whys);
}

export function Pipeline({ page }) {
  const pipeline = page.pipeline.answer;
  const found = pipelineTrust(page);
  const stale = pipeline && found.because.length > 0 ? " stale" : "";
  const tz = page.address.tz;
  const rows = (pipeline?.rows ?? []).map((row) => ({ ...row, name: `${row.topic} ${row.partition}`, key: `${row.topic}-${row.partition}` }));
  return html`
    <section class=${`tile wide${stale}`} data-tile="partitions" aria-labelledby="h-partitions"><h2 id="h-partitions">Partitions</h2>
      <${Trust} found=${found} />
      ${pipeline?.bronze_unknown_because && html`<p class="warning">Bronze is not known: ${pipeline.bronze_unknown_because}</p>`}
      <${Table} caption="Who reads each partition, and how far it is" rows=${rows} empty=${pipeline ? "No partition yet." : "Not known yet."} columns=${[
        plain("name", { label: "Partition" }), plain("worker", { label: "Owner" }), aged("heard_seconds", "Heard"),
        number("lag_records", "Lag"), aged("freshness_seconds", "Fresh to"), number("checkpoint_offset", "Checkpoint"),
        plain("watermark", { label: "Watermark", cell: (row) => moment(row.watermark, tz) }),
        plain("incomplete_because", { label: "State", cell: (row) => sign(row.incomplete_because) }),
        number("bronze_offset", "Bronze"), number("bronze_lag_records", "Bronze lag"), aged("bronze_oldest_seconds", "Bronze waits"),
      ]} />
      <footer><span>As of ${moment(pipeline?.as_of, tz)}</span><span><${Csv} name="partitions" path="/v1/pipeline?format=csv" /></span></footer>
    </section>
    <section class=${`tile${stale}`} data-tile="views" aria-labelledby="h-views"><h2 id="h-views">Views</h2><${Trust} found=${found} />
      <${Table} caption="How far each view can be trusted" rows=${(pipeline?.views ?? []).map((row) => ({ ...row, key: row.view }))} empty="Not known yet." columns=${[
        plain("view", { cell: (row) => html`<code>${row.view}</code>` }), aged("freshness_seconds", "Fresh to"),
        plain("complete", { label: "State", cell: (row) => sign(row.complete ? null : row.incomplete_because.join("; ")) }),
      ]} /><footer><span></span><${Csv} name="views" path="/v1/pipeline/views?format=csv" /></footer></section>`;
}

// Bad records as they are made, not what they hold: names and types alone.
export function BadRecords({ page }) {
  const bad = page.bad.answer;
  const found = trustPolled(page.bad, page.live.now);
  return html`<section class=${`tile wide${bad && found.because.length ? " stale" : ""}`} data-tile="bad-records" aria-labelledby="h-bad"><h2 id="h-bad">Newest bad records</h2>
    ${!page.config.everywhere ? html`<p class="note"><span aria-hidden="true">⊘ </span>Bad records are of no city: they are for those who may see all.</p>` : html`
    <${Trust} found=${found} />
    <${Table} caption="The newest bad records by reason, with the shape of the newest one" empty=${bad && !bad.unknown_because ? "No bad record." : "Not known."}
      rows=${(bad?.rows ?? []).map((row) => ({ ...row, key: row.id }))} columns=${[
        plain("reason"), plain("field"), number("records", "Records"),
        plain("last", { label: "Newest", cell: (row) => moment(row.last, page.address.tz) }), plain("id", { label: "Id" }),
        plain("sample", { label: "Its shape, masked", cell: (row) => html`<code class="sample">${JSON.stringify(row.sample)}</code>` }),
      ]} /><p class="note">Of the newest ${count(bad?.read)} in the quarantine; <code>sluice quarantine</code> has all of them.</p>
      <p><${Csv} name="bad_records" path="/v1/quarantine?format=csv" /></p>`}
  </section>`;
}
