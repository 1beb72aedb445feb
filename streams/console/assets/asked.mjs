// An answer that is asked for once, when what needs it is shown.

import { useEffect, useState } from "preact/hooks";
import { json } from "./api.mjs";

// What a path answers: {answer}, {error}, or neither yet.
export function useAsked(path) {
  const [found, setFound] = useState({});
  useEffect(() => {
    if (!path) return undefined;
    const aborted = new AbortController();
    setFound({});
    json(path, { signal: aborted.signal }).then((answer) => setFound({ answer }), (error) => aborted.signal.aborted || setFound({ error }));
    return () => aborted.abort();
  }, [path]);
  return found;
}
