// What changes by itself: the stream of the views' answers, and what is asked again every few seconds.
// EventSource can show no token, so the stream is read by fetch.

import { ask, Refused } from "./api.mjs";

const LONGEST_WAIT_MS = 8_000;
// The api says something every second: what is silent for longer is a connection that is broken, or an api that hangs.
const LONGEST_SILENCE_MS = 6_000;
const LONGEST_FIRST_MS = 30_000;

// The events of a stream, as {event, id, data}.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        const found = { event: "message", id: null, data: "" };
        for (const line of part.split("\n")) {
          const colon = line.indexOf(": ");
          if (colon > 0) found[line.slice(0, colon)] = line.slice(colon + 2);
        }
        if (found.data) yield found;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

// A signal that comes with another one, or when nothing has been heard for too long.
function watched(signal) {
  const silent = new AbortController();
  let timer = null;
  const wait = (ms) => (clearTimeout(timer), (timer = setTimeout(() => silent.abort(), ms)));
  wait(LONGEST_FIRST_MS);
  return { signal: AbortSignal.any([signal, silent.signal]), heard: () => wait(LONGEST_SILENCE_MS), end: () => clearTimeout(timer) };
}

// Follow a stream until the signal; after a failure, or a silence, from where it was. `told` gets each event's name and
// data, `trouble` why there is no stream now, null once there is one again.
export async function follow(path, signal, told, trouble) {
  let lastId = null;
  let wait = 500;
  while (!signal.aborted) {
    const watch = watched(signal);
    try {
      const headers = lastId ? { "last-event-id": lastId } : {};
      const answer = await ask(path, { headers, signal: watch.signal });
      for await (const one of events(answer.body)) {
        watch.heard();
        lastId = one.id ?? lastId;
        wait = 500;
        trouble(null);
        told(one.event, JSON.parse(one.data));
      }
      trouble(new Error("the api has ended the stream"));
    } catch (error) {
      if (signal.aborted) return;
      trouble(error instanceof Refused ? error : new Error("the api does not answer"));
    } finally {
      watch.end();
    }
    await pause(wait, signal);
    wait = Math.min(2 * wait, LONGEST_WAIT_MS);
  }
}

// Ask again and again until the signal. `told` gets each answer that is new, null where it still is the former one;
// `trouble` why there was none. An api that hangs is asked anew.
export async function poll(path, everyMs, signal, told, trouble) {
  let tag = null;
  while (!signal.aborted) {
    try {
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(everyMs + LONGEST_SILENCE_MS)]);
      const answer = await ask(path, { headers: tag ? { "if-none-match": tag } : {}, signal: bounded });
      const found = answer.status === 304 ? null : await answer.json();
      tag = answer.headers.get("etag") ?? tag;
      told(found);
      trouble(null);
    } catch (error) {
      if (signal.aborted) return;
      trouble(error instanceof Refused ? error : new Error("the api does not answer"));
    }
    await pause(everyMs, signal);
  }
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), resolve()), { once: true });
  });
}
