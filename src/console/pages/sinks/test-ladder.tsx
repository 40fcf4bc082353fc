/** Tries a destination and shows each stage as soon as it has ended. */
import { useEffect, useRef, useState } from "react";
import type { Sink } from "#gen/tributary/management/v1/sink_pb.js";
import type { TestStage } from "#gen/tributary/management/v1/sink_service_pb.js";
import { CodeBlock } from "../../parts/copy.tsx";
import { ActionButton } from "../../parts/form.tsx";
import { sinks } from "./sink-kinds.ts";

/** A button with the stages of the last try below it. `read` gives the settings, saved or not. */
export function TestLadder(props: { readonly stream: string; readonly read: () => Sink }) {
  const { stream: parent, read } = props;
  const [stages, setStages] = useState<readonly TestStage[]>([]);
  const [isOver, setOver] = useState(false);
  const ended = useRef(new AbortController());
  useEffect(() => {
    ended.current = new AbortController();
    return () => ended.current.abort();
  }, []);
  const test = async () => {
    setStages([]);
    setOver(false);
    const { signal } = ended.current;
    for await (const { stage } of sinks.watchSinkTest({ parent, sink: read() }, { signal })) {
      if (stage) setStages((before) => [...before, stage]);
    }
    setOver(true);
  };
  const isGood = stages.every(({ ok }) => ok);
  return (
    <div className="stack">
      <div>
        <ActionButton label="Test the destination" call={test} />
      </div>
      <div role="status">
        {isOver && <p>{isGood ? "Everything works." : "The test found a fault:"}</p>}
        {stages.length > 0 && (
          <ol>
            {stages.map((stage) => (
              <li key={stage.name}>
                <Stage stage={stage} />
              </li>
            ))}
          </ol>
        )}
      </div>
    </div>
  );
}

function Stage({ stage }: { readonly stage: TestStage }) {
  return (
    <>
      <span className={`badge ${stage.ok ? "good" : "bad"}`}>{stage.ok ? "works" : "fails"}</span>{" "}
      <strong>{stage.name}</strong> {stage.message}{" "}
      <span className="quiet">{(Number(stage.durationUs) / 1_000).toFixed(1)} ms</span>
      {stage.remedy && <CodeBlock text={stage.remedy} what="what mends it" />}
    </>
  );
}
