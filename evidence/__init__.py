"""What the commands that gather evidence share: when, where and on what they ran, and writing it into a page."""
