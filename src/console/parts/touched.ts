/** Which fields of a form somebody was at: only these show what is wrong with them. */
import { useCallback, useState } from "react";
import type { FieldFault } from "../api/fault.ts";

/** What a form knows of it. */
export interface Touched {
  /** Goes to an element around the fields: whatever in it has a `data-path` is touched when it is left. */
  readonly watch: (element: HTMLElement | null) => (() => void) | undefined;
  /** The faults of fields that were touched, with those of what is within them. */
  of(faults: readonly FieldFault[]): readonly FieldFault[];
  /** Shows all, as when somebody tried to send the form. */
  all(): void;
}

/**
 * Begins with none. A `data-path` holds the paths of a field in the request, as faults name them, with
 * spaces between.
 */
export function useTouched(): Touched {
  const [paths, setPaths] = useState<ReadonlySet<string>>(new Set());
  const [isAll, setAll] = useState(false);
  const watch = useCallback((element: HTMLElement | null) => {
    if (!element) return undefined;
    const touch = ({ target }: Event) => {
      const place = target instanceof Element ? target.closest("[data-path]") : null;
      const left = place?.getAttribute("data-path")?.split(" ") ?? [];
      if (left.length > 0) setPaths((before) => new Set([...before, ...left]));
    };
    element.addEventListener("focusout", touch);
    return () => element.removeEventListener("focusout", touch);
  }, []);
  return {
    watch,
    of: (faults) => (isAll ? faults : faults.filter(({ field }) => isWithin(field, paths))),
    all: () => setAll(true),
  };
}

function isWithin(field: string, paths: ReadonlySet<string>): boolean {
  if (paths.has(field)) return true;
  return [...paths].some((path) => field.startsWith(`${path}.`) || field.startsWith(`${path}[`));
}
