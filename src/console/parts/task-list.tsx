/** Long work of one kind that was begun, newest first: replays, migrations. */
import type { ReactNode } from "react";
import { PAGES } from "../api/queries.ts";
import { MoreButton } from "./more.tsx";
import { Loaded } from "./note.tsx";

interface PagedQuery<P> {
  readonly data: { readonly pages: readonly P[] } | undefined;
  readonly error: unknown;
  readonly hasNextPage: boolean;
  readonly isFetchingNextPage: boolean;
  fetchNextPage(): Promise<unknown>;
}

/** How pages of such a list follow one another, and how often it is read again. */
export const TASK_PAGES = {
  ...PAGES,
  refetchInterval: 1_500,
};

/** A card for each. */
export function TaskList<P, T extends { readonly name: string }>(props: {
  readonly title: string;
  readonly query: PagedQuery<P>;
  readonly itemsOf: (page: P) => readonly T[];
  readonly children: (item: T) => ReactNode;
}) {
  const { title, query, itemsOf } = props;
  const id = `${title.toLowerCase()}-title`;
  return (
    <section className="card stack" aria-labelledby={id}>
      <h2 id={id}>{title}</h2>
      <Loaded query={query}>
        {({ pages }) => {
          const all = pages.flatMap(itemsOf);
          if (all.length === 0) return <p>None so far.</p>;
          return (
            <ul className="stack plain">
              {all.map((item) => (
                <li className="card stack" key={item.name}>
                  {props.children(item)}
                </li>
              ))}
            </ul>
          );
        }}
      </Loaded>
      <MoreButton query={query} />
    </section>
  );
}
