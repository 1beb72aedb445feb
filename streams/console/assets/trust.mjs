// How far an answer can be trusted now, and how that is shown: by a word, a sign and a pattern.

import { age } from "./formats.mjs";
import { html } from "./markup.mjs";

const SILENT_SECONDS = 4;

// `seconds`: how old the data is; `because`: what makes it incomplete or stale, empty if nothing does.
export function trust(answer, live) {
  const silent = live.heardAt === null ? 0 : (live.now - live.heardAt) / 1000;
  const tooLong = silent > SILENT_SECONDS + (live.everySeconds ?? 0);
  const because = [];
  if (live.trouble && (live.heardAt === null || tooLong)) because.push(live.trouble.message);
  else if (tooLong) because.push(`the api has said nothing for ${age(silent)}`);
  const now = live.views[answer?.view];
  if (answer && !answer.complete) because.push(...(answer.incomplete_because ?? ["it is not complete"]));
  for (const why of now?.stale_because ?? []) if (!because.includes(why)) because.push(why);
  const fresh = now ? now.freshness_seconds : answer?.freshness_seconds;
  return { because, seconds: fresh === null || fresh === undefined ? null : fresh + silent, waiting: !answer && !because.length };
}

// The same of what is asked for every few seconds, which may itself say why it is not known; `more`: what else is wrong
// with what was answered.
export function trustPolled({ answer, ...heard }, now, more = []) {
  const whys = [answer?.unknown_because, ...more].filter(Boolean);
  const told = answer && { complete: !whys.length, incomplete_because: whys, freshness_seconds: 0 };
  return trust(told, { views: {}, ...heard, now });
}

// Of what rests on both.
export const trustBoth = (one, other) => ({
  because: [...new Set([...one.because, ...other.because])],
  seconds: one.seconds === null || other.seconds === null ? null : Math.max(one.seconds, other.seconds),
  waiting: (one.waiting || other.waiting) && !one.because.length && !other.because.length,
});

export function Trust({ found }) {
  if (found.waiting) return html`<p class="trust" data-trust="waiting"><span aria-hidden="true">… </span>Loading</p>`;
  const old = found.seconds === null ? "age unknown" : `${age(found.seconds)} old`;
  if (!found.because.length) return html`<p class="trust" data-trust="live"><span aria-hidden="true">● </span>Live, ${old}</p>`;
  return html`<p class="trust" data-trust="stale"><span aria-hidden="true">⚠ </span>Stale or incomplete, ${old}</p>
    <ul class="why">${found.because.slice(0, 4).map((why) => html`<li key=${why}>${why}</li>`)}
      ${found.because.length > 4 && html`<li>and ${found.because.length - 4} more</li>`}</ul>`;
}
