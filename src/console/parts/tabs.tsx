/** Several views of one thing, of which one is shown. Parts with an address of their own are links. */
import * as Radix from "@radix-ui/react-tabs";
import type { ReactNode } from "react";

/** A list of tabs with the view of the chosen one: arrows, Home and End go from tab to tab. */
export function Tabs(props: {
  /** What the views are of. */
  readonly label: string;
  readonly value: string;
  readonly choices: readonly (readonly [id: string, title: string])[];
  readonly onChange: (value: string) => void;
  /** The view. */
  readonly children: ReactNode;
}) {
  const { label, value, choices, onChange, children } = props;
  return (
    <Radix.Root value={value} onValueChange={onChange} className="stack">
      <Radix.List aria-label={label} className="tabs">
        {choices.map(([id, title]) => (
          <Radix.Trigger key={id} value={id}>
            {title}
          </Radix.Trigger>
        ))}
      </Radix.List>
      <Radix.Content value={value} tabIndex={-1} className="stack">
        {children}
      </Radix.Content>
    </Radix.Root>
  );
}
