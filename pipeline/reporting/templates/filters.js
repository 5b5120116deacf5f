"use strict";
for (const form of document.querySelectorAll(".filters")) {
  const cards = [...form.nextElementSibling.children];
  const filter = () => {
    const wanted = [...new FormData(form)].filter(([, value]) => value);
    for (const card of cards) {
      const tags = JSON.parse(card.dataset.tags);
      card.hidden = !wanted.every(([name, value]) => (tags[name] ?? []).includes(value));
    }
    const shown = cards.filter((card) => !card.hidden).length;
    form.querySelector("output").value = `${shown} of ${cards.length}`;
  };
  form.addEventListener("change", filter);
  filter(); // a browser that reloads the page keeps what was chosen
}
