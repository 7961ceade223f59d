/** Building and changing the page. Texts go in as text, never as markup: names come from a configuration. */

/** @param properties Of the element; `class`, `role`, `aria-…` and `data-…` are set as attributes. */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "class" || name === "role" || name === "scope" || /^(aria|data)-/.test(name)) {
      element.setAttribute(name, value);
    } else element[name] = value;
  }
  element.append(...children);
  return element;
}

/** Leaves alone what is right already, so that a selection or a reader's place in it survives. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** One child per key: known ones stay, new ones are made, others go. */
export function keyed(parent, items, { keyOf, create, update }) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let child = known.get(key);
    known.delete(key);
    if (child === undefined) {
      child = create(item);
      child.dataset.key = key;
    }
    if (child === at) at = at.nextElementSibling;
    else parent.insertBefore(child, at);
    update(child, item);
  }
  for (const child of known.values()) child.remove();
}

export function rate(value) {
  return value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1);
}

export function milliseconds(value) {
  if (value === 0) return "–";
  if (value >= 10_000) return `${(value / 1000).toFixed(0)} s`;
  if (value >= 1000) return `${(value / 1000).toFixed(1)} s`;
  return `${value >= 100 ? value.toFixed(0) : value.toFixed(1)} ms`;
}

/** Of 0 to 1. */
export function percent(share) {
  return `${Math.round(share * 100)} %`;
}

export function mebibytes(bytes) {
  return `${Math.round(bytes / 2 ** 20).toLocaleString("en")} MiB`;
}

/** "4 s", "3 min", "2 h 5 min", "4 d 3 h". */
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function clock(iso) {
  return new Date(iso).toLocaleTimeString("en-GB");
}

export function timeElement(iso) {
  return el("time", { dateTime: iso, title: iso }, clock(iso));
}
