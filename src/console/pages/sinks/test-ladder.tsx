/** Tries a destination and shows stage by stage what works. */
import { useState } from "react";
import type { TestSinkResponse } from "#gen/tributary/management/v1/sink_service_pb.js";
import { ActionButton } from "../../parts/form.tsx";

/** A button with the stages of the last try below it. */
export function TestLadder({ test }: { readonly test: () => Promise<TestSinkResponse> }) {
  const [result, setResult] = useState<TestSinkResponse>();
  return (
    <div className="stack">
      <div>
        <ActionButton
          label="Test the destination"
          call={async () => {
            setResult(undefined);
            setResult(await test());
          }}
        />
      </div>
      <div role="status">
        {result && (
          <>
            <p>{result.ok ? "Everything works." : "The test found a fault:"}</p>
            <ol>
              {result.stages.map((stage) => (
                <li key={stage.name}>
                  <span className={`badge ${stage.ok ? "good" : "bad"}`}>
                    {stage.ok ? "works" : "fails"}
                  </span>{" "}
                  <strong>{stage.name}</strong> {stage.message}{" "}
                  <span className="quiet">{(Number(stage.durationUs) / 1_000).toFixed(1)} ms</span>
                </li>
              ))}
            </ol>
          </>
        )}
      </div>
    </div>
  );
}
