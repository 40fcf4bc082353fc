/** The next page of a list. */
import { useEffect } from "react";

/** A list that is read page by page. */
export interface PagedQuery {
  readonly hasNextPage: boolean;
  readonly isFetchingNextPage: boolean;
  readonly isFetchNextPageError?: boolean;
  fetchNextPage(): Promise<unknown>;
}

/** A button while there is more. */
export function MoreButton({ query }: { readonly query: PagedQuery }) {
  if (!query.hasNextPage) return null;
  return (
    <div>
      <button
        type="button"
        aria-disabled={query.isFetchingNextPage || undefined}
        onClick={() => void query.fetchNextPage()}
      >
        Show more
      </button>
    </div>
  );
}

/** Reads the next page when the end of what is there comes into view; after a failure, the button does. */
export function useMoreAtEnd(query: PagedQuery | undefined, isAtEnd: boolean): void {
  const isWanted =
    isAtEnd && query?.hasNextPage && !query.isFetchingNextPage && !query.isFetchNextPageError;
  useEffect(() => {
    if (isWanted) void query?.fetchNextPage();
  }, [isWanted, query]);
}

/** How often a list of pages is read again: each time reads all of them, so a long one is left alone. */
export function refreshEvery(ms: number) {
  return ({
    state,
  }: {
    readonly state: { readonly data?: { readonly pages: readonly unknown[] } | undefined };
  }) => ((state.data?.pages.length ?? 0) > 4 ? false : ms);
}
