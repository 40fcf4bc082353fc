/** The menu of the person who is signed in. */
import * as Menu from "@radix-ui/react-dropdown-menu";
import { useRef } from "react";
import { useLocation } from "wouter";
import { choose, PREFERENCES, type Preference, usePreference } from "../api/preferences.ts";
import { runAloud, useSubmit } from "./form.tsx";
import { FaultNote } from "./note.tsx";

const ACCOUNT = "/account";

/**
 * A button with the account, how this browser shows the console, and the way out. Not modal: a modal
 * menu would stop the page from scrolling by a style element, which the content security policy refuses.
 */
export function AccountMenu(props: {
  readonly who: string;
  readonly signOut: () => Promise<void>;
}) {
  const { who, signOut } = props;
  const [location, open] = useLocation();
  // The page that opens takes the focus: the button must not take it back.
  const isLeaving = useRef(false);
  const submit = useSubmit(signOut);
  return (
    <>
      <Menu.Root modal={false}>
        <Menu.Trigger className="menu-button">{who}</Menu.Trigger>
        <Menu.Content
          className="menu"
          align="end"
          sideOffset={6}
          collisionPadding={8}
          loop
          onCloseAutoFocus={(event) => {
            if (isLeaving.current) event.preventDefault();
            isLeaving.current = false;
          }}
        >
          <Menu.Item
            onSelect={() => {
              isLeaving.current = location !== ACCOUNT;
              open(ACCOUNT);
            }}
          >
            Your account
          </Menu.Item>
          <Menu.Separator />
          <Choice of="colours" title="Colours" />
          <Menu.Separator />
          <Choice of="times" title="Times" />
          <Menu.Separator />
          <Menu.Item onSelect={() => void runAloud(submit, "Sign out")}>Sign out</Menu.Item>
        </Menu.Content>
      </Menu.Root>
      <FaultNote error={submit.error} />
    </>
  );
}

/** One of several, marked; the menu stays open, so that one sees what it does. */
function Choice({ of, title }: { readonly of: Preference; readonly title: string }) {
  const value = usePreference(of);
  return (
    <Menu.RadioGroup value={value} onValueChange={(next) => choose(of, next)} aria-label={title}>
      <Menu.Label>{title}</Menu.Label>
      {PREFERENCES[of].map(([each, text]) => (
        <Menu.RadioItem key={each} value={each} onSelect={(event) => event.preventDefault()}>
          <Menu.ItemIndicator className="mark">✓</Menu.ItemIndicator>
          {text}
        </Menu.RadioItem>
      ))}
    </Menu.RadioGroup>
  );
}
