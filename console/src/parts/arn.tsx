// A name that other tools want to have, with a button that copies it.
import CopyToClipboard from '@cloudscape-design/components/copy-to-clipboard'

export function Arn({ of }: { of: string | undefined }) {
  if (!of) return <>–</>
  return <CopyToClipboard variant="inline" textToCopy={of} copyButtonAriaLabel={`Copy ${of}`} copySuccessText="Copied" copyErrorText="Not copied" />
}
