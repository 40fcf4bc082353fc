/** What changes, field by field: of schemas, definitions and rows alike. */
import { PlainTable } from "./plain-table.tsx";

/** One field; an empty text stands for none. */
export interface Difference {
  readonly path: string;
  readonly before: string;
  readonly after: string;
}

/** A table with a line for each field. */
export function DifferenceTable(props: {
  readonly changes: readonly Difference[];
  /** Titles of the columns with the old and the new text. */
  readonly titles: readonly [before: string, after: string];
  /** Stands where a text is empty. */
  readonly none: string;
}) {
  const { changes, titles, none } = props;
  return (
    <PlainTable titles={["Field", titles[0], titles[1]]}>
      {changes.map(({ path, before, after }) => (
        <tr key={path}>
          <th scope="row">
            <code>{path}</code>
          </th>
          <td>{before ? <del>{before}</del> : <span className="quiet">{none}</span>}</td>
          <td>{after ? <ins>{after}</ins> : <span className="quiet">{none}</span>}</td>
        </tr>
      ))}
    </PlainTable>
  );
}
