// What is about to be created, in the words of the tools that people automate with.
import ExpandableSection from '@cloudscape-design/components/expandable-section'
import Tabs from '@cloudscape-design/components/tabs'

import { asCli, asJson, asTerraform, type TerraformRules } from '../data/show'
import { Code } from './code'

interface ShowAsProps {
  service: string
  operation: string
  request: object
  /** Absent: Terraform has nothing for it. */
  terraform?: { type: string; name: string; rules: TerraformRules }
}

export function ShowAs({ service, operation, request, terraform }: ShowAsProps) {
  return (
    <ExpandableSection headerText="Show as AWS CLI, Terraform or JSON" variant="container">
      <Tabs
        ariaLabel="Forms of the request"
        tabs={[
          { id: 'cli', label: 'AWS CLI', content: <Code label="AWS CLI command" text={asCli(service, operation, request)} /> },
          ...(terraform
            ? [
                {
                  id: 'terraform',
                  label: 'Terraform',
                  content: <Code label="Terraform resource" text={asTerraform(terraform.type, terraform.name, request, terraform.rules)} />,
                },
              ]
            : []),
          { id: 'json', label: 'JSON', content: <Code label="JSON request" text={asJson(request)} /> },
        ]}
      />
    </ExpandableSection>
  )
}
