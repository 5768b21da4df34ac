Feature: What waits in the queue can be steered
  Whoever runs agents decides what starts next, what starts later, and what never starts, without a new state
  to learn and without stopping a worker.

  Scenario: A held job waits although a worker is free
    Given a worker with 1 slot
    And a held job
    When the operator enqueues a job that says "me first"
    Then within 5 seconds the newest job is succeeded
    And the job is queued
    When the operator releases the job
    Then within 5 seconds the job is succeeded because "completed"

  Scenario: A job starts when the one before it has succeeded
    Given a worker with 2 slots
    And a held job
    When the operator enqueues a job to follow it
    And the operator releases the job
    Then within 5 seconds the newest job is succeeded
    And the second job began after the first had ended

  Scenario: A job whose forerunner fails never starts
    Given a worker with 2 slots
    When the operator enqueues a failing job and one to follow it
    Then within 5 seconds the newest job is cancelled
    And the newest job never began, because "dependency_failed"

  Scenario: The same work is queued once
    When the operator enqueues a job twice with the key "nightly"
    Then both times it is the same job
    And 1 jobs are queued

  Scenario: A drained worker finishes its jobs and takes no new ones
    Given a worker with 2 slots
    When the operator enqueues 1 jobs that wait for each other
    Then within 5 seconds 1 jobs are running
    When the operator drains the worker
    And the operator enqueues a job that says "too late"
    And the job may go on
    Then within 5 seconds the job is succeeded because "completed"
    And the worker ends by itself
    And 1 jobs are queued
