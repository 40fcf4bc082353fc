/** A long list of which only what is seen is in the page. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useLayoutEffect, useRef } from "react";
import { type PagedQuery, useMoreAtEnd } from "./more.tsx";

const OVERSCAN = 8;

/** An item that is given an identity of its own, so it keeps its height when others come before it. */
interface VirtualListProps<T> {
  readonly label: string;
  readonly items: readonly T[];
  readonly keyOf: (item: T) => string;
  /** Height of an item that was not measured yet, in pixels. */
  readonly heightOfOne: number;
  /** Where further items come from when the end is reached. */
  readonly more?: PagedQuery;
  readonly children: (item: T) => ReactNode;
}

/**
 * A box that scrolls. What somebody reads stays where it is while newer items come in above it; at the
 * top the newest ones come into view.
 */
export function VirtualList<T>(props: VirtualListProps<T>) {
  const { label, items, keyOf, heightOfOne } = props;
  const box = useRef<HTMLDivElement>(null);
  const anchor = useRef<{ key: string; below: number } | undefined>(undefined);
  const rows = useVirtualizer({
    count: items.length,
    getScrollElement: () => box.current,
    estimateSize: () => heightOfOne,
    getItemKey: (at) => keyAt(items, keyOf, at),
    overscan: OVERSCAN,
  });
  // A correction would end the browser's own smooth scrolling halfway, as after the key End.
  rows.shouldAdjustScrollPositionOnItemSizeChange = () => false;
  const keepPlace = () => {
    const top = box.current?.scrollTop ?? 0;
    const first = rows.getVirtualItems().find(({ end }) => end > top);
    anchor.current =
      top > 0 && first ? { key: String(first.key), below: top - first.start } : undefined;
  };
  useLayoutEffect(() => {
    const kept = anchor.current;
    if (!kept || !box.current) return;
    const at = items.findIndex((item) => keyOf(item) === kept.key);
    const start = rows.measurementsCache[at]?.start;
    if (start !== undefined) box.current.scrollTop = start + kept.below;
  }, [items, keyOf, rows]);
  useMoreAtEnd(props.more, (rows.getVirtualItems().at(-1)?.index ?? 0) >= items.length - OVERSCAN);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <section className="window" ref={box} tabIndex={0} aria-label={label} onScroll={keepPlace}>
      <ul className="records" style={{ height: rows.getTotalSize() }}>
        {rows.getVirtualItems().map((row) => {
          const item = items[row.index];
          if (item === undefined) return null;
          return (
            <li
              key={row.key}
              ref={rows.measureElement}
              data-index={row.index}
              aria-setsize={items.length}
              aria-posinset={row.index + 1}
              style={{ transform: `translateY(${row.start}px)` }}
            >
              {props.children(item)}
            </li>
          );
        })}
      </ul>
    </section>
  );
}

/** Key of an item of a list; its place where the list has become shorter. */
export function keyAt<T>(items: readonly T[], keyOf: (item: T) => string, at: number): string {
  const item = items[at];
  return item === undefined ? String(at) : keyOf(item);
}
