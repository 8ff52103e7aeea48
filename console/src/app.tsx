import { lazy, Suspense } from 'react'
import { BrowserRouter, Navigate, Route, Routes } from 'react-router-dom'

import { SignIn } from './pages/sign-in'
import { Loading } from './parts/loading'
import { Shell } from './parts/shell'
import { useSession } from './session'

const Cluster = lazy(() => import('./pages/cluster'))
const ClusterCreate = lazy(() => import('./pages/cluster-create'))
const Clusters = lazy(() => import('./pages/clusters'))
const Family = lazy(() => import('./pages/family'))
const Task = lazy(() => import('./pages/task'))
const TaskDefinition = lazy(() => import('./pages/task-definition'))
const TaskDefinitionCreate = lazy(() => import('./pages/task-definition-create'))
const TaskDefinitions = lazy(() => import('./pages/task-definitions'))

export function App() {
  const session = useSession()
  if (!session) return <SignIn />
  return (
    <BrowserRouter basename="/console">
      <Shell>
        <Suspense fallback={<Loading />}>
          <Routes>
            <Route path="/clusters" element={<Clusters />} />
            <Route path="/clusters/create" element={<ClusterCreate />} />
            <Route path="/clusters/:cluster/:tab?" element={<Cluster />} />
            <Route path="/clusters/:cluster/tasks/:task" element={<Task />} />
            <Route path="/task-definitions" element={<TaskDefinitions />} />
            <Route path="/task-definitions/create" element={<TaskDefinitionCreate />} />
            <Route path="/task-definitions/:family" element={<Family />} />
            <Route path="/task-definitions/:family/:revision" element={<TaskDefinition />} />
            <Route path="*" element={<Navigate to="/clusters" replace />} />
          </Routes>
        </Suspense>
      </Shell>
    </BrowserRouter>
  )
}
