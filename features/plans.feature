Feature: A plan changes the project only when it is applied
  Whoever lets agents work on a repository goes on working in it meanwhile. Nothing of theirs is touched before they
  apply; an apply is whole or not at all; and what a plan has done is never lost, however it ended.

  Scenario: Work that is not committed goes along and stays as it is
    Given a project in the middle of work
    And a plan that copies the work
    When the operator executes the plan
    Then the plan's change holds a copy of the work
    And the project is as it was

  Scenario: A change that is empty is said
    Given a project in the middle of work
    And a plan that changes nothing
    When the operator executes the plan
    Then the command exits with 0 and says "changed: nothing"
    And the project is as it was

  Scenario: An apply keeps what the operator did meanwhile
    Given a project in the middle of work
    And a plan that edits the last line
    And the operator has executed the plan and then edited the first line
    When the operator applies the plan
    Then the command exits with 0
    And both edits are in the project
    And nothing in git has changed

  Scenario: A conflict writes nothing
    Given a project in the middle of work
    And a plan that edits the last line
    And the operator has executed the plan and then edited the last line
    When the operator applies the plan
    Then the command exits with 4 and says "contents: story"
    And the project is as it was
    And the plan is ready

  Scenario: A revert brings back what stood before
    Given a project in the middle of work
    And a plan that writes 5 files
    And the operator has executed and applied the plan
    When the operator reverts the plan
    Then the command exits with 0
    And the project is as it was
    And the plan is ready

  Scenario: A revert brings back what git does not keep
    Given a project in the middle of work
    And a notebook of which git keeps no outputs
    And a plan that edits the notebook
    And the operator has executed and applied the plan
    When the operator reverts the plan
    Then the command exits with 0
    And the project is as it was

  Scenario: What was corrected in a sandbox is not dropped in silence
    Given a project in the middle of work
    And a plan that writes 5 files
    And the operator has executed the plan and then corrected a file in its sandbox
    When the operator applies the plan
    Then the command exits with 4 and says "edited in the sandbox since its capture: made/3"
    And the project is as it was
    And the plan is ready

  Scenario: A revert leaves later work alone
    Given a project in the middle of work
    And a plan that writes 5 files
    And the operator has executed and applied the plan
    And the operator has edited one of the 5 files
    When the operator reverts the plan
    Then the command exits with 4 and says "changed since the apply"
    And the 5 files are in the project

  @signals
  Scenario: An apply that is killed between two files is finished by the next one
    Given a project in the middle of work
    And a plan that writes 5 files
    And an apply of the plan was killed after 2 files
    When the operator applies the plan
    Then the command exits with 0
    And the 5 files are in the project
    And nothing in git has changed

  @signals
  Scenario: An apply that is killed between two files can be undone
    Given a project in the middle of work
    And a plan that writes 5 files
    And an apply of the plan was killed after 2 files
    When the operator reverts the plan
    Then the command exits with 0
    And the project is as it was

  Scenario: A second attempt that fails leaves the first result in force
    Given a project in the middle of work
    And a plan that succeeds once and fails after that
    And the operator has executed the plan
    When the operator executes the plan
    Then the command exits with 1
    And the plan is ready
    And the plan's change is that of attempt 1

  Scenario: A second attempt that succeeds takes the place of the first
    Given a project in the middle of work
    And a plan that counts its attempts
    And the operator has executed the plan
    When the operator executes the plan
    Then the command exits with 0
    And the plan's change is that of attempt 2

  @signals
  Scenario: A cancelled plan keeps its partial work
    Given a project in the middle of work
    And a plan that writes a file and then waits
    And a worker has begun to wait in the plan
    When the operator cancels the plan
    Then within 10 seconds the plan is cancelled
    And the plan's change is partial and holds the file
    And the project is as it was

  @signals
  Scenario: A plan whose sandbox was deleted can be cancelled
    Given a project in the middle of work
    And a plan that writes a file and then waits
    And a worker has begun to wait in the plan
    And somebody has deleted the plan's sandbox
    When the operator cancels the plan
    Then within 10 seconds the plan is cancelled
    And asking for the plan's change is answered with 4
    And the project is as it was

  Scenario: The change of a plan outlives its sandbox
    Given a project in the middle of work
    And a plan that writes 5 files
    And the operator has executed the plan
    And somebody has deleted the plan's sandbox
    When the operator applies the plan
    Then the command exits with 0
    And the 5 files are in the project

  Scenario: A plan whose sandbox was deleted can be discarded
    Given a project in the middle of work
    And a plan that writes 5 files
    And the operator has executed the plan
    And somebody has deleted the plan's sandbox
    When the operator discards the plan
    Then the command exits with 0
    And the plan is discarded
    And the project is as it was
    And git knows of no work tree but the project

  Scenario: A plan is executed from inside a hook of git
    Given a project in the middle of work
    And a plan that writes 5 files
    And a hook of the project executes the plan after each commit
    When the operator commits
    Then the plan is ready
    And the plan's change is the 5 files

  Scenario: Hooks of the project do not run in a sandbox
    Given a project in the middle of work
    And every hook of the project fails
    And a plan that writes 5 files
    When the operator executes the plan
    Then the command exits with 0
    And no hook has run

  Scenario: A repository that a plan leaves inside the project is refused by name
    Given a project in the middle of work
    And a plan that leaves a repository in vendor
    When the operator executes the plan
    Then the command exits with 1 and says "vendor"
    And the project is as it was

  Scenario: An apply never writes through a link
    Given a project in the middle of work
    And a plan that writes 5 files
    And the operator has executed the plan
    And the folder of the 5 files is a link to somewhere else by now, which git ignores
    When the operator applies the plan
    Then the command exits with 4 and says "symbolic link in the way"
    And nothing was written somewhere else

  Scenario: Odd names and executable files arrive as they are
    Given a project in the middle of work
    And a plan that makes a program with a newline in its name
    And the operator has executed the plan
    When the operator applies the plan
    Then the command exits with 0
    And the program with a newline in its name runs
