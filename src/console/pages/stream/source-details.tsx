/** One source: its settings, a dry run of a request, and what it was. */
import { useQuery } from "@connectrpc/connect-query";
import type { ComponentType } from "react";
import { Link } from "wouter";
import type { Source } from "#gen/tributary/management/v1/source_pb.js";
import { SourceService } from "#gen/tributary/management/v1/source_service_pb.js";
import { Loaded } from "../../parts/note.tsx";
import { PartLinks } from "../../parts/page.tsx";
import { Versions } from "../../parts/versions.tsx";
import { SourceSettings } from "./source-settings.tsx";
import { SourceTest } from "./source-test.tsx";

const PARTS: readonly (readonly [string, string, ComponentType<{ readonly source: Source }>])[] = [
  ["", "Settings", SourceSettings],
  ["test", "Try a request", SourceTest],
  ["versions", "Versions", ({ source }) => <Versions name={source.name} />],
];

/** The page of a source. */
export function SourceDetails(props: { readonly name: string; readonly part: string | undefined }) {
  const { name } = props;
  const query = useQuery(SourceService.method.getSource, { name });
  const [id, , Part] = PARTS.find(([each]) => each === props.part) ?? PARTS[0] ?? [];
  return (
    <Loaded query={query}>
      {({ source }) =>
        source && (
          <>
            <h2>Source {source.displayName || name.slice(name.lastIndexOf("/") + 1)}</h2>
            <p>
              <Link href={`/${name.slice(0, name.lastIndexOf("/"))}`}>
                All sources of the stream
              </Link>
            </p>
            <PartLinks
              label="Parts of the source"
              current={id ? `/${name}/${id}` : `/${name}`}
              parts={PARTS.map(([each, title]) => [title, each ? `/${name}/${each}` : `/${name}`])}
            />
            {Part && <Part source={source} key={id} />}
          </>
        )
      }
    </Loaded>
  );
}
