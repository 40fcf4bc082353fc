/** A table of a few lines. */
import { type ReactNode, useLayoutEffect, useRef, useState } from "react";

/**
 * A table in a box that scrolls sideways where it is wider than the screen. Only then the box is a
 * stop for Tab, so that it can be scrolled without a mouse and is in nobody's way otherwise.
 */
export function PlainTable(props: {
  /** Of the columns. */
  readonly titles: readonly string[];
  /** The rows. */
  readonly children: ReactNode;
  /** Rows below the others that say something of them all. */
  readonly foot?: ReactNode;
}) {
  const { titles, children, foot } = props;
  const box = useRef<HTMLDivElement>(null);
  const isCut = useCut(box);
  const label = `Table of ${titles.join(", ")}`;
  return (
    <div
      className="scroll"
      ref={box}
      {...(isCut && { role: "group", tabIndex: 0, "aria-label": label })}
    >
      <table>
        <thead>
          <tr>
            {titles.map((title) => (
              <th key={title} scope="col">
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
        {foot && <tfoot>{foot}</tfoot>}
      </table>
    </div>
  );
}

/** Whether a part of what is in the box is out of sight. */
function useCut(box: { readonly current: HTMLElement | null }): boolean {
  const [isCut, setCut] = useState(false);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => setCut(element.scrollWidth > element.clientWidth + 1);
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    if (element.firstElementChild) observer.observe(element.firstElementChild);
    return () => observer.disconnect();
  }, [box]);
  return isCut;
}
