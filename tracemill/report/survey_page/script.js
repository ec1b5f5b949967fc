"use strict";
// Sessions come as JSON and are put on the page as text alone: nothing here makes markup out of them.
(() => {
  const columns = [
    ["trace_id", "trace", "id"], ["goal", "goal", "goal"], ["outcome", "outcome", "word"],
    ["source", "source", "word"], ["model", "model", "word"], ["started_at", "started", "word"],
    ["messages", "messages", "n"], ["calls", "calls", "n"],
    ["failed_calls", "failed", "n"], ["characters", "characters", "n"], ["compactions", "compactions", "n"],
  ];
  const rowsAtOnce = 500;
  const find = (id) => document.getElementById(id);
  const [table, shown, more] = [find("sessions"), find("shown"), find("more")];
  const [words, outcome, source] = [find("words"), find("outcome"), find("source")];
  const sessions = Array.from(document.querySelectorAll("script.session"), (element) => JSON.parse(element.textContent));
  let order = { key: "", down: true };
  let most = rowsAtOnce;

  for (const session of sessions) {
    session.ending = session.success === null ? "unknown" : session.success ? "success" : "failure";
    session.outcome = session.ending + (session.reward === null ? "" : ` (${session.reward})`);
    session.searched = [session.trace_id, session.agent, session.source, session.project, session.model, session.path,
      session.goal, session.outcome, session.words, session.view].join("\n").toLowerCase();
  }

  const add = (parent, name, text, kind) => {
    const element = document.createElement(name);
    if (text !== undefined) element.textContent = text;
    if (kind) element.className = kind;
    parent.append(element);
    return element;
  };

  const addChoices = (select, key) => {
    const counts = new Map();
    for (const session of sessions) counts.set(session[key], (counts.get(session[key]) ?? 0) + 1);
    add(select, "option", `all (${sessions.length})`).value = "";
    for (const name of [...counts.keys()].sort()) add(select, "option", `${name} (${counts.get(name)})`).value = name;
  };

  const format = (key, value) => {
    if (value === null || value === undefined || value === "") return "-";
    if (typeof value === "number") return value.toLocaleString("en");
    return key === "started_at" ? String(value).slice(0, 16).replace("T", " ") : String(value);
  };

  const compare = (a, b) => {
    const [left, right] = [a[order.key] ?? "", b[order.key] ?? ""];
    const sign = left < right ? -1 : left > right ? 1 : 0;
    return order.down ? -sign : sign;
  };

  // One word for a shell; an id with control characters is not spelled, as it could do harm where it is pasted.
  const quoteId = (id) => {
    if (/^[\w.:/~#@+-]+$/.test(id)) return id;
    return /^[ -~]+$/.test(id) ? `'${id.replaceAll("'", "'\\''")}'` : "TRACE_ID";
  };

  const tellCut = (session) => {
    const [all, kept] = [session.characters, session.view.length].map((count) => count.toLocaleString("en"));
    return `This view is cut: it has ${kept} characters, the trace ${all}. All of it: `
      + `inspect --show=${quoteId(session.trace_id)} --show-chars=${session.characters}`;
  };

  const toggle = (row, session) => {
    const next = row.nextElementSibling;
    if (next && next.classList.contains("opened")) {
      next.remove();
      return;
    }
    const opened = document.createElement("tr");
    opened.className = "opened";
    const cell = add(opened, "td", undefined, "view");
    cell.colSpan = columns.length;
    add(cell, "p", `${session.trace_id}  ${session.project}  ${session.path}`, "path");
    if (session.cut_chars > 0) add(cell, "p", tellCut(session), "note");
    add(cell, "pre", session.view);
    row.after(opened);
  };

  const addRow = (body, session) => {
    const row = add(body, "tr");
    for (const [key, , kind] of columns) {
      const text = format(key, session[key]);
      const cell = add(row, "td", undefined, kind);
      const inner = add(cell, key === "trace_id" ? "button" : "div", text, "cut");
      if (text.length > 20) inner.title = text;
      if (key !== "trace_id") continue;
      inner.type = "button";
      inner.addEventListener("click", () => toggle(row, session));
    }
    return row;
  };

  const addHead = () => {
    const head = add(add(table, "thead"), "tr");
    for (const [key, title, kind] of columns) {
      const cell = add(head, "th", undefined, kind === "n" ? "n" : "");
      const mark = order.key === key ? (order.down ? " ▾" : " ▴") : "";
      const button = add(cell, "button", title + mark);
      button.type = "button";
      button.addEventListener("click", () => {
        order = { key, down: order.key === key ? !order.down : true };
        show();
      });
    }
  };

  const show = (opened) => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = sessions.filter((session) => session.trace_id === opened
      || ((!outcome.value || session.ending === outcome.value) && (!source.value || session.source === source.value)
        && wanted.every((word) => session.searched.includes(word))));
    if (order.key) found.sort(compare);
    table.replaceChildren();
    addHead();
    const body = add(table, "tbody");
    const place = found.findIndex((session) => session.trace_id === opened);
    most = Math.max(most, place + 1);
    const rows = found.slice(0, most).map((session) => addRow(body, session));
    if (place >= 0) toggle(rows[place], found[place]);
    more.hidden = found.length <= most;
    more.textContent = `Show more: ${found.length - most} are not listed yet`;
    shown.textContent = `${found.length} of ${sessions.length}`;
    if (opened && place < 0) shown.textContent += `; ${opened} is not on this page`;
    return rows[place];
  };

  const showAnew = () => {
    most = rowsAtOnce;
    show();
  };

  const readLink = () => {
    const asked = new URLSearchParams(location.hash.slice(1));
    words.value = asked.get("words") ?? asked.get("trace") ?? "";
    outcome.value = asked.get("outcome") ?? "";
    source.value = asked.get("source") ?? "";
    for (const select of [outcome, source]) if (select.selectedIndex < 0) select.value = "";
    most = rowsAtOnce;
    show(asked.get("trace"))?.scrollIntoView();
  };

  addChoices(outcome, "ending");
  addChoices(source, "source");
  words.addEventListener("input", showAnew);
  outcome.addEventListener("change", showAnew);
  source.addEventListener("change", showAnew);
  more.addEventListener("click", () => {
    most += rowsAtOnce;
    show();
  });
  window.addEventListener("hashchange", readLink);
  readLink();
})();
