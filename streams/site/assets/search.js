"use strict";
// Finds entries that have all the words typed, in their name first. What is shown is text, never markup.
(() => {
  const MOST = 20;
  const root = document.documentElement.dataset.root;
  const input = document.getElementById("query");
  const found = document.getElementById("found");
  const entries = window.searchIndex.map((entry) => ({
    ...entry,
    all: [entry.kind, entry.name, entry.words, entry.about].join(" ").toLowerCase(),
  }));

  const rank = (entry, words) => words.filter((word) => !entry.name.toLowerCase().includes(word)).length;

  const matching = (words) =>
    entries
      .filter((entry) => words.every((word) => entry.all.includes(word)))
      .sort((one, other) => rank(one, words) - rank(other, words));

  const item = (entry) => {
    const link = document.createElement("a");
    link.href = root + entry.page;
    link.textContent = entry.name;
    const line = document.createElement("li");
    line.append(link, ` ${entry.kind}: ${entry.about}`);
    return line;
  };

  const show = () => {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    found.hidden = words.length === 0;
    const those = found.hidden ? [] : matching(words);
    const count = document.createElement("p");
    count.textContent = those.length === 0 ? "Nothing found." : `${those.length} found.`;
    const list = document.createElement("ul");
    list.append(...those.slice(0, MOST).map(item));
    found.replaceChildren(count, list);
  };

  input.addEventListener("input", show);
  input.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      input.value = "";
      show();
    }
  });
  show();
})();
