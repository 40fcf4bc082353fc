/** The frame of a page: its title, what stands beside it, and where the focus goes. */
import { type ReactNode, useEffect, useRef } from "react";
import { Link } from "wouter";

let isFirstPage = true;

/** A page. When it opens after another one, its title gets the focus and is read out. */
export function Page(props: {
  readonly title: string;
  readonly crumbs?: readonly (readonly [string, string])[];
  readonly actions?: ReactNode;
  readonly children: ReactNode;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${props.title} · Tributary`;
    if (!isFirstPage) heading.current?.focus();
    isFirstPage = false;
  }, [props.title]);
  return (
    <>
      {props.crumbs && (
        <nav aria-label="Where you are" className="crumbs">
          {props.crumbs.map(([text, href]) => (
            <Link key={href} href={href}>
              {text}
            </Link>
          ))}
        </nav>
      )}
      <header className="title">
        <h1 ref={heading} tabIndex={-1}>
          {props.title}
        </h1>
        {props.actions && <div className="actions">{props.actions}</div>}
      </header>
      {props.children}
    </>
  );
}

/** Links between the parts of a page. */
export function PartLinks(props: {
  readonly label: string;
  readonly current: string;
  readonly parts: readonly (readonly [string, string])[];
}) {
  return (
    <nav aria-label={props.label} className="tabs">
      {props.parts.map(([text, href]) => (
        <Link key={href} href={href} aria-current={href === props.current ? "page" : undefined}>
          {text}
        </Link>
      ))}
    </nav>
  );
}
