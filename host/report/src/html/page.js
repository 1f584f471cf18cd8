"use strict";
(() => {
  // Opens every place for the printer, and closes again what was closed.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const place of closed) place.open = true;
  });
  addEventListener("afterprint", () => {
    for (const place of closed) place.open = false;
  });

  const form = document.getElementById("filter");
  if (!form) return;
  const shown = document.getElementById("shown");
  const fields = ["text", "artifact", "category", "special"];
  const fold = (node) => node.textContent.toLowerCase();
  const places = [...document.querySelectorAll(".place")].map((node) => ({
    node,
    head: fold(node.querySelector("summary")),
    rules: [...node.querySelectorAll(".rule")].map((rule) => ({ node: rule, head: null, pieces: null })),
  }));
  const total = places.reduce((sum, place) => sum + place.rules.length, 0);

  // The texts of a rule are folded when they are first searched.
  const read = (rule) => {
    if (rule.pieces) return;
    rule.pieces = [...rule.node.querySelectorAll(".pieces > li")].map((node) => ({ node, text: fold(node) }));
    rule.head = [...rule.node.children].filter((child) => !child.matches(".pieces")).map(fold).join(" ");
  };

  const matches = (rule, text, headMatches) => {
    read(rule);
    const whole = headMatches || !text || rule.head.includes(text);
    let any = whole;
    for (const piece of rule.pieces) {
      piece.node.hidden = !whole && !piece.text.includes(text);
      any ||= !piece.node.hidden;
    }
    return any;
  };

  const wanted = () => {
    const data = new FormData(form);
    return Object.fromEntries(fields.map((field) => [field, data.get(field) || ""]));
  };

  const apply = () => {
    const filter = wanted();
    const text = filter.text.trim().toLowerCase();
    const active = fields.some((field) => filter[field].trim());
    let count = 0;
    for (const place of places) {
      let any = false;
      for (const rule of place.rules) {
        const data = rule.node.dataset;
        const show = (!filter.artifact || data.artifact === filter.artifact)
          && (!filter.category || data.category === filter.category)
          && (!filter.special || "special" in data)
          && matches(rule, text, place.head.includes(text));
        rule.node.hidden = !show;
        any ||= show;
        count += show;
      }
      place.node.hidden = active && !any;
      if (active && any) place.node.open = true;
    }
    const number = (value) => value.toLocaleString("en");
    shown.textContent = active
      ? `${number(count)} of ${number(total)} rules shown`
      : `${number(total)} rules in ${number(places.length)} places`;
  };

  const load = () => {
    const hash = location.hash.slice(1);
    if (hash && !hash.includes("=")) return false;
    const values = new URLSearchParams(hash);
    form.elements.text.value = values.get("text") || "";
    for (const field of ["artifact", "category"]) {
      const select = form.elements[field];
      select.value = values.get(field) || "";
      if (select.selectedIndex < 0) select.value = "";
    }
    form.elements.special.checked = values.has("special");
    apply();
    return hash !== "";
  };

  const save = () => {
    const values = new URLSearchParams();
    for (const [field, value] of Object.entries(wanted())) if (value) values.set(field, value);
    history.replaceState(null, "", `#${values}`);
  };

  const change = () => {
    apply();
    save();
  };
  let timer = 0;
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(change, 120);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(change));
  const show = () => {
    if (load()) document.getElementById("findings").scrollIntoView();
  };
  addEventListener("hashchange", show);
  form.hidden = false;
  apply();
  show();
})();
