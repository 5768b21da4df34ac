Feature: What goes on can be seen, by people and by monitors
  Whoever runs agents sees what waits, what runs and what it would hit to stop it, and a monitor sees numbers
  that stay true when old jobs are deleted and workers come and go.

  Scenario: Counters outlive what is pruned, and the worker
    Given a worker with 2 slots
    And a job that has succeeded
    When the operator prunes everything that has ended
    And the worker is stopped
    Then 0 jobs are succeeded
    And a monitor still counts 1 job that succeeded

  Scenario: What a cancel would hit is listed beforehand
    Given a worker that gives jobs 1 second to stop
    And a running job with a child, a grandchild and a daemon that ignore being asked to stop
    When the operator asks what a cancel of all jobs would end
    Then every process of the job is named
    And the job is running
    When the operator cancels the job, saying "as listed"
    Then within 20 seconds the job is cancelled because "cancelled"

  Scenario: A list says which job nobody runs any more
    Given a worker with 2 slots
    And a running job with a child, a grandchild and a daemon that ignore being asked to stop
    When the worker is killed
    Then the list says of the job "worker is dead"
