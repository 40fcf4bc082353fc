/** What is wrong with how a page lies on the screen: too wide, cut off, one thing over another. */
import type { Page } from "playwright-core";

/** A text, since the types of Node know no document. */
const FIND_FAULTS = `(() => {
  const faults = [];
  const nameOf = (each) => each.outerHTML.slice(0, 120);
  const wide = document.documentElement.scrollWidth;
  if (wide > innerWidth) faults.push("the page is " + wide + " pixels wide");
  const isShown = (each) => each.checkVisibility() && !each.closest(".unseen, .skip, .cm-editor");
  const scrolls = (each) => each.closest(".scroll, .window, pre") !== null;
  const open = document.querySelector("dialog[open]") ?? document.body;
  const words = [...open.querySelectorAll("a, button, input, select, textarea, summary, h1, h2, h3, label, dt, dd, p, li")];
  for (const each of words.filter(isShown)) {
    const { left, right, width } = each.getBoundingClientRect();
    if (width > 0 && !scrolls(each) && (left < -1 || right > innerWidth + 1)) {
      faults.push("beyond the edge: " + nameOf(each));
    }
    const { overflowX, textOverflow } = getComputedStyle(each);
    const isCut = ["hidden", "clip"].includes(overflowX) && textOverflow !== "ellipsis";
    if ((isCut || each.tagName === "BUTTON") && each.tagName !== "INPUT" && each.scrollWidth > each.clientWidth + 1) {
      faults.push("cut off: " + nameOf(each));
    }
  }
  for (const each of [...open.querySelectorAll("dd, dt, td, th, button, p")].filter(isShown)) {
    const { width, height } = each.getBoundingClientRect();
    const size = parseFloat(getComputedStyle(each).fontSize);
    const isSqueezed = width < 4.5 * size && height > 7 * size && each.innerText.trim().length > 5;
    if (isSqueezed) faults.push("squeezed: " + nameOf(each));
  }
  const pressed = [...open.querySelectorAll("a, button, input, select, textarea, summary")];
  const boxes = pressed.filter((each) => isShown(each) && !each.closest(".window"))
    .map((each) => [each, [...each.getClientRects()]]);
  for (const [at, [one, first]] of boxes.entries()) {
    for (const [other, second] of boxes.slice(at + 1)) {
      if (one.contains(other) || other.contains(one)) continue;
      const isOver = first.some((a) => second.some((b) =>
        Math.min(a.right, b.right) - Math.max(a.left, b.left) > 2 &&
        Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 2));
      if (isOver) faults.push("overlaps: " + nameOf(one) + " and " + nameOf(other));
    }
  }
  return faults;
})()`;

/** The spacing that a reader may set without losing anything (WCAG 2.2, 1.4.12). */
const SPACED =
  "line-height:1.5!important;letter-spacing:.12em!important;word-spacing:.16em!important";

/** The sizes that pages are made for, from a telephone to 4K, twice the size of text, and text set wide. */
const SCREENS = [
  { title: "320 pixels", width: 320, height: 640, text: "", spacing: "" },
  { title: "768 pixels", width: 768, height: 1024, text: "", spacing: "" },
  { title: "4K", width: 3840, height: 2160, text: "", spacing: "" },
  { title: "text at 200 %", width: 1280, height: 800, text: "200%", spacing: "" },
  { title: "text set wide", width: 1280, height: 800, text: "", spacing: SPACED },
  { title: "1440 pixels", width: 1440, height: 900, text: "", spacing: "" },
] as const;

/** A text, since the types of Node know no document. */
const FIND_HIDDEN_FOCUS = `(() => {
  const at = document.activeElement;
  if (at === document.body) return "end";
  const { left, top, right, bottom } = at.getBoundingClientRect();
  const width = parseFloat(getComputedStyle(at).outlineWidth);
  if (!(width >= 2) && !at.shadowRoot) return "without an outline: " + at.outerHTML.slice(0, 120);
  // A part of it that is seen is enough (2.4.11): its corners and its middle are looked at.
  const points = [[left + 2, top + 2], [right - 2, top + 2], [left + 2, bottom - 2],
    [right - 2, bottom - 2], [(left + right) / 2, (top + bottom) / 2]];
  const isSeen = points.some(([x, y]) => {
    const over = document.elementFromPoint(x, y);
    return over && (at.contains(over) || over.contains(at));
  });
  return isSeen ? "" : "hidden behind something: " + at.outerHTML.slice(0, 120);
})()`;

/** Goes over the page with a key, `Tab` or `Shift+Tab`: what gets the focus must be seen, and marked. */
export async function findHiddenFocus(page: Page, key: string, stepsMax = 80): Promise<string[]> {
  const found: string[] = [];
  for (let step = 0; step < stepsMax; step++) {
    await page.keyboard.press(key);
    const fault = await page.evaluate<string>(FIND_HIDDEN_FOCUS);
    if (fault === "end") break;
    if (fault) found.push(fault);
  }
  return found;
}

/** Faults on every size of screen; the page is left at 1440 pixels. */
export async function findLayoutFaults(page: Page): Promise<string[]> {
  const found: string[] = [];
  for (const { title, width, height, text, spacing } of SCREENS) {
    await page.setViewportSize({ width, height });
    const sheet = JSON.stringify(
      spacing && `* { ${spacing} } p { margin-block-end: 2em !important }`,
    );
    // A sheet that a script made is none that the content security policy refuses.
    const faults = await page.evaluate<string[]>(`(() => {
      document.documentElement.style.fontSize = ${JSON.stringify(text)};
      const set = new CSSStyleSheet();
      set.replaceSync(${sheet});
      document.adoptedStyleSheets = [set];
      return ${FIND_FAULTS};
    })()`);
    found.push(...faults.slice(0, 3).map((fault) => `at ${title}: ${fault}`));
  }
  return found;
}
