/** A long list of cards, in the flow of the page, of which only what is seen is in it. */
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useLayoutEffect, useRef, useState } from "react";
import { type PagedQuery, useMoreAtEnd } from "./more.tsx";
import { keyAt } from "./virtual-list.tsx";

const OVERSCAN = 4;
const GAP = 16;

/** How many items of such a list are asked for at once: ten thousand then come in twenty calls. */
export const CARD_PAGE = 500;

/** The cards; further ones are read when the end of the page is near. */
export function CardList<T>(props: {
  readonly label: string;
  readonly items: readonly T[];
  readonly keyOf: (item: T) => string;
  /** Height of a card that was not measured yet, in pixels. */
  readonly heightOfOne: number;
  readonly more: PagedQuery;
  readonly children: (item: T) => ReactNode;
}) {
  const { label, items, keyOf, heightOfOne } = props;
  const list = useRef<HTMLUListElement>(null);
  const top = useTopOf(list);
  const rows = useWindowVirtualizer({
    count: items.length,
    estimateSize: () => heightOfOne,
    getItemKey: (at) => keyAt(items, keyOf, at),
    overscan: OVERSCAN,
    gap: GAP,
    scrollMargin: top,
  });
  // A correction would end the browser's own smooth scrolling halfway, as after the key End.
  rows.shouldAdjustScrollPositionOnItemSizeChange = () => false;
  useMoreAtEnd(props.more, (rows.getVirtualItems().at(-1)?.index ?? 0) >= items.length - OVERSCAN);
  return (
    <ul className="cards" ref={list} aria-label={label} style={{ height: rows.getTotalSize() }}>
      {rows.getVirtualItems().map((row) => {
        const item = items[row.index];
        if (item === undefined) return null;
        return (
          <li
            key={row.key}
            className="card-place"
            ref={rows.measureElement}
            data-index={row.index}
            aria-setsize={items.length}
            aria-posinset={row.index + 1}
            style={{ transform: `translateY(${row.start - top}px)` }}
          >
            {props.children(item)}
          </li>
        );
      })}
    </ul>
  );
}

/** How far down the page an element begins: that moves while forms above it open and close. */
function useTopOf(element: { readonly current: HTMLElement | null }): number {
  const [top, setTop] = useState(0);
  useLayoutEffect(() => {
    const look = () => {
      if (!element.current) return;
      setTop(Math.round(element.current.getBoundingClientRect().top + scrollY));
    };
    look();
    const seen = new ResizeObserver(look);
    seen.observe(document.body);
    return () => seen.disconnect();
  }, [element]);
  return top;
}
