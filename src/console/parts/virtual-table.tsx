/** A long table of which only the rows that are seen are in the page. */
import { useVirtualizer } from "@tanstack/react-virtual";
import { type ReactNode, useRef } from "react";
import { type PagedQuery, useMoreAtEnd } from "./more.tsx";

const ROW_HEIGHT = 40;
const OVERSCAN = 8;

/** A column with what it shows of a row. */
export interface TableColumn<T> {
  readonly title: string;
  readonly cell: (row: T) => ReactNode;
}

/**
 * A table in a box that scrolls both ways. Rows outside of the window are stood for by one empty row
 * above and one below, so it stays a table for those who hear it.
 */
export function VirtualTable<T>(props: {
  readonly label: string;
  readonly columns: readonly TableColumn<T>[];
  readonly rows: readonly T[];
  readonly keyOf: (row: T) => string;
  /** Where further rows come from when the end is reached. */
  readonly more?: PagedQuery;
}) {
  const { columns, rows, keyOf } = props;
  const box = useRef<HTMLDivElement>(null);
  const window = useVirtualizer({
    count: rows.length,
    getScrollElement: () => box.current,
    estimateSize: () => ROW_HEIGHT,
    overscan: OVERSCAN,
  });
  const shown = window.getVirtualItems();
  useMoreAtEnd(props.more, (shown.at(-1)?.index ?? 0) >= rows.length - OVERSCAN);
  const above = shown[0]?.start ?? 0;
  const below = window.getTotalSize() - (shown.at(-1)?.end ?? 0);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls must be reachable by keyboard
    <section className="window" ref={box} tabIndex={0} aria-label={props.label}>
      <table aria-rowcount={rows.length + 1} className="even">
        <thead>
          <tr aria-rowindex={1}>
            {columns.map(({ title }) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          <Gap height={above} columns={columns.length} />
          {shown.map(({ index, key }) => {
            const row = rows[index];
            if (row === undefined) return null;
            return (
              <tr key={keyOf(row) || key} aria-rowindex={index + 2}>
                {columns.map(({ title, cell }) => (
                  <td key={title}>{cell(row)}</td>
                ))}
              </tr>
            );
          })}
          <Gap height={below} columns={columns.length} />
        </tbody>
      </table>
    </section>
  );
}

function Gap({ height, columns }: { readonly height: number; readonly columns: number }) {
  if (height <= 0) return null;
  return (
    <tr>
      <td colSpan={columns} className="gap" style={{ height }} />
    </tr>
  );
}
