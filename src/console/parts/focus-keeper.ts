/**
 * Keeps the focus when what has it leaves the page, as a row does that is deleted: without this it
 * falls back to the top, and whoever works by keyboard or ear has to find the place again.
 */

/** Starts to watch the page, for as long as it lives. */
export function keepFocus(): void {
  let place: readonly Element[] = [];
  document.addEventListener("focusin", ({ target }) => {
    // A menu gives the focus back to its button by itself, which is the place to keep.
    if (!(target instanceof Element) || target.closest('[role="menu"]')) return;
    const isInDialog = target.closest("dialog") !== null;
    // A dialog stands beside the page: behind it comes the place that it was opened from.
    const behind = isInDialog ? place.filter((each) => each.closest("dialog") === null) : [];
    place = [...ancestorsOf(target), ...behind];
  });
  new MutationObserver(() => {
    const [last] = place;
    const isLost = document.activeElement === document.body || document.activeElement === null;
    if (!isLost || !last || last.isConnected) return;
    focusNear(place.find((each) => each.isConnected));
  }).observe(document.body, { childList: true, subtree: true });
}

function ancestorsOf(target: Element): Element[] {
  const found: Element[] = [];
  for (let each: Element | null = target; each && each !== document.body; ) {
    found.push(each);
    each = each.parentElement;
  }
  return found;
}

/** The heading of the nearest part that is left, or else of the page. */
function focusNear(survivor: Element | undefined): void {
  const open = [...document.querySelectorAll("dialog[open]")].at(-1);
  const part = survivor?.closest("article, section, form, main, dialog") ?? open;
  const target = part?.querySelector("h1, h2, h3") ?? document.querySelector("main h1");
  if (!(target instanceof HTMLElement)) return;
  target.tabIndex = -1;
  target.focus();
}
